"""Who trades what, and who owes whom: orders, clearing, books, proofs; integers only.

A bid of 600 Wh and an offer of 400 Wh meet in the middle of their limits:

>>> rows = [
...     BookRow(b"b" * 32, zone=0, side=Side.BID, price_mkrw_per_kwh=150_000, e_wh=600),
...     BookRow(b"o" * 32, zone=0, side=Side.OFFER, price_mkrw_per_kwh=110_000, e_wh=400),
... ]
>>> book, rules = book_of(1_784_084_400, rows), MarketRules()
>>> clearing = clear_slot(book, rules)
>>> clearing.volume_wh, clearing.price_mkrw_per_kwh
(400, 150000)
>>> check_clearing(book, rules, clearing)
[]

The bid is still open at 150 won, so nothing below it would be an equilibrium.
"""

from market.bill import Bill as Bill
from market.bill import MonthUse as MonthUse
from market.bill import build_bill as build_bill
from market.book import Book as Book
from market.book import BookRow as BookRow
from market.book import book_of as book_of
from market.certificate import Finding as Finding
from market.certificate import check_clearing as check_clearing
from market.certificate import check_message as check_message
from market.clearing import Clearing as Clearing
from market.clearing import Outcome as Outcome
from market.clearing import clear_slot as clear_slot
from market.clearing import clearing_message as clearing_message
from market.contracts import SupplyContract as SupplyContract
from market.contracts import split_readings as split_readings
from market.dr import DrEvent as DrEvent
from market.dr import History as History
from market.dr import build_baseline as build_baseline
from market.dr import verify_event as verify_event
from market.errors import MarketError as MarketError
from market.ledger import Code as Code
from market.ledger import LedgerId as LedgerId
from market.ledger import Transfer as Transfer
from market.ledger import TransferKind as TransferKind
from market.ledger import system_account as system_account
from market.maker import MakerQuote as MakerQuote
from market.maker import maker_rows as maker_rows
from market.neighbours import settle_neighbours as settle_neighbours
from market.network import LinkLimit as LinkLimit
from market.network import MarketLink as MarketLink
from market.network import MarketNetwork as MarketNetwork
from market.network import MarketZone as MarketZone
from market.network import build_network as build_network
from market.orders import Order as Order
from market.orders import OrderStatus as OrderStatus
from market.orders import RefusalCode as RefusalCode
from market.orders import Side as Side
from market.orders import check_order as check_order
from market.reclearing import Overload as Overload
from market.reclearing import clear_within_grid as clear_within_grid
from market.rules import MarketRules as MarketRules
from market.rules import build_rules as build_rules
from market.settlement import SettlementInput as SettlementInput
from market.settlement import reserve_slot as reserve_slot
from market.settlement import resettle_slot as resettle_slot
from market.settlement import resume_readings as resume_readings
from market.settlement import settle_slot as settle_slot
from market.statement import AccountMonth as AccountMonth
from market.statement import Statement as Statement
from market.statement import build_statement as build_statement
from market.tariff import Tariff as Tariff

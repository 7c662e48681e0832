"""Who trades what, and who owes whom: orders, clearing, books, proofs; integers only."""

from market.errors import MarketError as MarketError
from market.ledger import Code as Code
from market.ledger import LedgerId as LedgerId
from market.ledger import Transfer as Transfer
from market.ledger import TransferKind as TransferKind
from market.ledger import system_account as system_account

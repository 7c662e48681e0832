"""The books in memory: who signs, who has an account, and the head that the next tick goes on from.

Everything here follows from the store. A new store gets its first tick (genesis): the operator's
keys, the crowd's keys, the rules. A later start takes the kept head and compares it with the last
checkpoint, which covers every account's history and balances.
"""

import gc
import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.config import Settings
from energy.crowd import KeyRegistration, build_crowd, register_messages, register_parties
from energy.district import District, NetworkFees
from energy.plant.metering import asset_ids
from energy.steps.account_book import AccountBook, account_rows
from energy.steps.book_head import Head, empty_head, keep_tick, load_head
from energy.steps.dr_programmes import programme_system_names
from energy.steps.keystore import OPERATOR_ROLES, OperatorKeys, operator_keys
from energy.steps.market_network import build_rules, fees_at, network_rules
from energy.store.accounts import KeyRow, load_accounts, save_accounts, save_keys
from energy.store.books import EntryRow, save_entries
from energy.store.checkpoints import CheckpointRow, last_checkpoint
from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.market_rules import Proposal, load_rule_book
from energy.store.meta import find_fact, require_fact, require_no_other_fact, settle_fact
from energy.store.signed_head import HeadFile, newest_head, require_head
from energy.timegrid import local_month_start
from energy.units import SLOT_S
from market.books import (
    BooksState,
    Entry,
    TickEntries,
    make_entry,
    seal_tick,
)
from market.messages import message_as_json
from market.network import MarketNetwork
from market.rules import MarketRules, RuleBook
from market.settlement import SystemAccounts, system_accounts
from market.signing import Domain, digest, require_native_backend, sign
from market.transfers import LedgerId, Transfer, system_account

IntArray = npt.NDArray[np.int64]

log = logging.getLogger(__name__)

SYSTEM_NAMES = (
    "SPC",
    "POOL",
    "BALANCING",
    "GRID",
    "LOSS",
    "KEPCO",
    "NETFEE",
    "RENT",
    "VAT",
    "FUND",
    "BANK",
    "ROUNDING",
    "POINTS_ISSUE",
    *programme_system_names(),
)
CONTRACT_ROLE = 2
PLANT_KEY_NONCE = 0
REHEARSAL = "/sim/"
"""What the names of markets have that are not in earnest."""
RULES_KIND = 1
TIME_ZONE = "time_zone"
NETWORK_KIND = 2


@dataclass
class Halt:
    """Why nothing may be signed any more, None while all is well; shared by all who hold it."""

    because: str | None = None


@dataclass(eq=False)
class Registry:
    """A market's name and its accounts: what it takes to read the books, whoever does it.

    `causes` are the numbers of contracts by their ids, which transfers name.
    """

    domain: Domain
    book: AccountBook
    causes: dict[bytes, int] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def system_names(self) -> frozenset[bytes]:
        """The market's own accounts."""
        return frozenset(system_account(self.domain.market_id, name) for name in SYSTEM_NAMES)

    def salt(self, account: bytes, digest: bytes, moment: int) -> bytes:
        """The salt of an entry of the account, by the local month of its slot (or else tick)."""
        return self.book.salt(account, digest, moment)

    def transfer_salts(self, transfers: Sequence[Transfer], ids: Sequence[bytes]) -> list[bytes]:
        """The salts of transfers: each that of its participant, who alone may open it."""
        system = self.system_names
        owners = [one.credit if one.debit in system else one.debit for one in transfers]
        return self.book.salts(owners, ids, [one.slot for one in transfers])


@dataclass(eq=False)
class Books(Registry):
    """The books of an installation, begun with the tick `genesis`; `head` alone moves, when a tick
    is committed; `rules`, which rules hold in which slot, and the `network` of the slot that is
    decided by `renew_rules`. `own_fees` are the district's, until the rules have others. `heads`
    keeps the last signed head outside the store, None in a rehearsal; `halt` may stop all signing.
    """

    rules: RuleBook
    keys: OperatorKeys
    system: SystemAccounts
    customers: tuple[bytes, ...]
    assets: tuple[bytes, ...]
    is_rehearsal: bool
    genesis: int
    own_fees: NetworkFees
    network: MarketNetwork
    heads: HeadFile | None
    head: Head = field(repr=False)
    halt: Halt = field(default_factory=Halt, repr=False)

    @cached_property
    def least(self) -> dict[tuple[int, bytes], int]:
        """Least balances by ledger and account: fees and rent are never paid back."""
        names = ("NETFEE", "RENT")
        market_id = self.domain.market_id
        return {(int(LedgerId.KRW), system_account(market_id, name)): 0 for name in names}


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Let the garbage collector rest meanwhile.

    A slot is a hundred thousand tuples without a cycle among them; they would make the collector
    walk through the whole district several times, a fifth of the time that a tick takes.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def load_registry(connection: Connection) -> Registry:
    """The registry of a store that has books; raises StoreError where it has none."""
    market_id = find_fact(connection, "market")
    if market_id is None:
        raise StoreError("books: found none in this store, allowed one that the loop has begun")
    time_zone = find_fact(connection, TIME_ZONE)
    if time_zone is None:
        raise StoreError(
            f"books: found no fact {TIME_ZONE}, allowed a store that the loop has begun"
        )
    return Registry(Domain(market_id), AccountBook(load_accounts(connection), time_zone))


def open_books(store: Store, district: District, settings: Settings, first_slot: int) -> Books:
    """The books of the store, begun with the tick before `first_slot` where there are none yet.

    Raises MarketError where the keystore cannot be opened or the signing backend is not the fast
    one, StoreError where the kept head does not agree with the last checkpoint, LostHeadError where
    the store lacks heads that were signed.
    """
    require_native_backend()
    domain = Domain(market_id_of(district, settings))
    heads = head_file_of(domain.market_id, settings)
    if heads is not None:
        store.read(lambda connection: require_head(connection, heads))
    last = store.read(last_checkpoint)
    keys = operator_keys(
        domain.market_id,
        settings.store_folder,
        settings.operator_passphrase,
        may_create=last is None,
    )
    books = Books(
        domain=domain,
        rules=store.read(load_rule_book),
        keys=keys,
        system=system_accounts(domain.market_id),
        book=AccountBook((), district.time_zone),
        customers=district.meters.account,
        assets=asset_accounts(district),
        is_rehearsal=settings.clock != "real",
        genesis=first_slot - SLOT_S,
        own_fees=district.fees,
        network=network_rules(district),
        heads=heads,
        head=empty_head(len(district.meters.account)),
    )
    if not books.is_rehearsal and not settings.operator_passphrase:
        log.warning(
            "the operator's keys follow from the market's name, so that anybody can sign for it; "
            "set MICROGRID_OPERATOR_PASSPHRASE"
        )
    if last is None:
        store.write(lambda connection: _begin(connection, books, district, settings))
    store.read(lambda connection: _load(connection, books))
    store.read(lambda connection: renew_rules(connection, books, books.head.state.tick + SLOT_S))
    keep_signed_head(store, books)
    return books


def require_own_books(connection: Connection, district: District, settings: Settings) -> None:
    """Raise what a start would of this store, and write nothing: that it is another district's, an
    older copy or signed by other keys, or that its keystore cannot be opened.
    """
    market_id = market_id_of(district, settings)
    facts = {"district": district.id, "seed": str(settings.seed), "market": market_id}
    for key, value in facts.items():
        require_no_other_fact(connection, key, value)
    heads = head_file_of(market_id, settings)
    if heads is not None:
        require_head(connection, heads)
    last = last_checkpoint(connection)
    if last is not None:
        folder, passphrase = settings.store_folder, settings.operator_passphrase
        _require_signer(last, operator_keys(market_id, folder, passphrase, may_create=False))


def head_file_of(market_id: str, settings: Settings) -> HeadFile | None:
    """Where the signed heads of a market in earnest are kept; None for a rehearsal.

    Signatures of a rehearsal are never valid in earnest, and its stores are begun over at will.
    """
    return None if REHEARSAL in market_id else HeadFile(settings.store_folder, market_id)


def keep_signed_head(store: Store, books: Books) -> None:
    """Keep the head that was signed last outside the store; nothing where it is kept already.

    Raises StoreError where it cannot be: then nothing more may be signed.
    """
    if books.heads is None or books.heads.holds(books.head.state.tick):
        return
    newest = store.read(newest_head)
    assert newest is not None, "books have a head"
    books.heads.keep(newest)


def market_id_of(district: District, settings: Settings) -> str:
    """The market that signatures are for; one of a rehearsal is never valid in earnest."""
    return district.id if settings.clock == "real" else f"{district.id}{REHEARSAL}{settings.seed}"


def asset_accounts(district: District) -> tuple[bytes, ...]:
    """The accounts of the operator's own meters, in the order of their readings."""
    return tuple(
        hashlib.sha256(f"asset/1/{district.id}/{name}".encode()).digest()
        for name in asset_ids(district)
    )


def plant_accounts(district: District) -> dict[str, bytes]:
    """The accounts of the operator's solar plants by the names of their meters."""
    meters = zip(asset_ids(district), asset_accounts(district), strict=True)
    kwp = district.pv.spc_kwp.sum(axis=1).tolist()
    areas = zip(district.network.areas.id, kwp, strict=True)
    plants = {f"solar-{area}" for area, size in areas if size > 0}
    return {name: account for name, account in meters if name in plants}


def entry_rows(tick: int, first_position: int, entries: Iterable[Entry]) -> list[EntryRow]:
    """Entries as rows of the store, in the order of their commitment."""
    return [
        EntryRow(
            digest=one.digest,
            tick=tick,
            position=position,
            type=one.type,
            message=message_as_json(one.type, one.message),
            signers=b"".join(one.signers),
            signatures=b"".join(one.signatures),
            salt=one.salt,
        )
        for position, one in enumerate(entries, start=first_position)
    ]


def _begin(connection: Connection, books: Books, district: District, settings: Settings) -> None:
    """The first tick of a new store, one quarter hour before its first slot."""
    tick = books.genesis
    require_fact(connection, "market", books.domain.market_id)
    if last_checkpoint(connection) is not None:
        return  # another process that starts beside this one has begun them
    require_fact(connection, TIME_ZONE, district.time_zone)
    books.book = AccountBook((), district.time_zone)
    names = [system_account(books.domain.market_id, name) for name in SYSTEM_NAMES]
    accounts = [*names, *books.customers, *books.assets]
    rows = account_rows(
        books.domain,
        accounts,
        public=frozenset(names),
        # Bills and corrections may look back a month.
        month=books.book.month(tick) - 1,
        is_rehearsal=books.is_rehearsal,
    )
    save_accounts(connection, rows)
    books.book.add(rows)
    crowd = build_crowd(district, settings.seed)
    entries = [
        *_operator_entries(books, tick),
        *_crowd_entries(books, register_messages(crowd, books.domain, tick)),
        *_crowd_entries(books, register_parties(crowd, books.domain, tick)),
        *_plant_entries(books, district, tick),
        rules_entry(books, books.rules.first, tick),
        network_entry(books, tick),
    ]
    _keep_network(connection, books.network, entries[-1])
    committed = TickEntries(tick, entries, {}, None, {}, books.book.blinds(tick))
    sealed = seal_tick(books.domain, BooksState(), committed, books.keys.log)
    save_keys(connection, [_key_row(one) for one in entries if one.type == "KeyRegister"])
    logged = [*entries, *(one for one in sealed.log if one.type == "SealedSet")]
    save_entries(connection, entry_rows(tick, 0, logged))
    meters = len(books.customers)
    head = empty_head(meters, sealed.state, local_month_start(tick + SLOT_S, district.time_zone))
    keep_tick(connection, sealed, head, books.book)


def _load(connection: Connection, books: Books) -> None:
    require_fact(connection, "market", books.domain.market_id)
    books.book = AccountBook(load_accounts(connection), books.book.time_zone)
    books.head, last = load_head(connection, books.book)
    _require_signer(last, books.keys)


def _require_signer(last: CheckpointRow, keys: OperatorKeys) -> None:
    if last.signer != keys.address("log"):
        raise StoreError(
            f"books: checkpoints are signed by 0x{last.signer.hex()}, found the keys of "
            f"0x{keys.address('log').hex()}; use the keystore that the store was begun with"
        )


def _operator_entries(books: Books, tick: int) -> Iterable[Entry]:
    """The operator's keys, the registrar's first: it vouches for itself and for all others."""
    for nonce, (name, roles) in enumerate(OPERATOR_ROLES.items(), start=1):
        key = getattr(books.keys, name)
        message = {
            "account": books.system.spc,
            "key": books.keys.address(name),
            "roles": roles,
            "from_slot": tick,
            "nonce": nonce,
        }
        yield make_entry(books.domain, "KeyRegister", message, key, books.keys.registrar)


def _crowd_entries(books: Books, registrations: Iterable[KeyRegistration]) -> Iterable[Entry]:
    """The keys of those who trade, each signed by itself and by the registrar."""
    registrar = books.keys.address("registrar")
    for one in registrations:
        id_ = digest(books.domain, "KeyRegister", one.message)
        yield Entry(
            type="KeyRegister",
            message=one.message,
            digest=id_,
            signers=(one.address, registrar),
            signatures=(one.signature, sign(books.keys.registrar, id_)),
            salt=books.salt(one.message["account"], id_, one.message["from_slot"]),
        )


def _plant_entries(books: Books, district: District, tick: int) -> Iterable[Entry]:
    """The operator's key for contracts of its solar plants, which are accounts of their own."""
    for account in plant_accounts(district).values():
        message = {
            "account": account,
            "key": books.keys.address("trading"),
            "roles": CONTRACT_ROLE,
            "from_slot": tick,
            "nonce": PLANT_KEY_NONCE,
        }
        id_ = digest(books.domain, "KeyRegister", message)
        salt = books.salt(account, id_, tick)
        keys = (books.keys.trading, books.keys.registrar)
        yield make_entry(books.domain, "KeyRegister", message, *keys, salt=salt)


def renew_rules(connection: Connection, books: Books, slot: int) -> None:
    """Take up what has been confirmed since, and the nodes and fees of a slot.

    Rules hold a day ahead, so this is never too late.
    """
    books.rules = load_rule_book(connection)
    fees, zones = fees_at(books.rules.at(slot), books.own_fees), len(books.network.zones)
    books.network = _newest_network(connection, build_rules(zones, fees))


def rules_entry(books: Books, rules: MarketRules, from_slot: int) -> Entry:
    """The rules that orders of slots from one on name, as an entry of the log."""
    message = {
        "kind": RULES_KIND,
        "version": rules.version,
        "from_slot": from_slot,
        "content": rules.content,
    }
    return make_entry(books.domain, "Rules", message, books.keys.trading)


def network_entry(books: Books, tick: int) -> Entry:
    """Nodes, ways and fees that clearings name, as an entry of the log."""
    message = {
        "kind": NETWORK_KIND,
        "version": books.network.version,
        "from_slot": tick,
        "content": books.network.content,
    }
    return make_entry(books.domain, "Rules", message, books.keys.trading)


def enter_rules(books: Books, untold: Sequence[Proposal]) -> dict[int, Entry]:
    """The entries of confirmed rules by the number of their proposal, before they hold."""
    return {one.no: rules_entry(books, one.rules, one.from_slot) for one in untold}


def enter_network(connection: Connection, books: Books, tick: int) -> list[Entry]:
    """The entry of nodes and fees that clearings name from here on; none where it stands."""
    if find_fact(connection, _fact_of(books.network.version)) is not None:
        return []
    entry = network_entry(books, tick)
    _keep_network(connection, books.network, entry)
    return [entry]


def find_network(connection: Connection, version: int) -> tuple[str, bytes] | None:
    """Text and entry of a version of nodes and fees, None where the log has none."""
    text = find_fact(connection, _fact_of(version))
    entry = find_fact(connection, f"{_fact_of(version)}/entry")
    return None if text is None or entry is None else (text, bytes.fromhex(entry))


def _keep_network(connection: Connection, network: MarketNetwork, entry: Entry) -> None:
    settle_fact(connection, _fact_of(network.version), network.text)
    settle_fact(connection, f"{_fact_of(network.version)}/entry", entry.digest.hex())


def _newest_network(connection: Connection, network: MarketNetwork) -> MarketNetwork:
    """The network under the version that the log has it by, or under the next one."""
    version = 1
    while find_fact(connection, _fact_of(version + 1)) is not None:
        version += 1
    last = replace(network, version=version)
    if find_fact(connection, _fact_of(version)) in (None, last.text):
        return last
    return replace(network, version=version + 1)


def _fact_of(version: int) -> str:
    return f"network/{version}"


def _key_row(one: Entry) -> KeyRow:
    message = one.message
    return KeyRow(
        account=message["account"],
        address=message["key"],
        from_slot=message["from_slot"],
        end_slot=None,
        roles=message["roles"],
        entry=one.digest,
    )

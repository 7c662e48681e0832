"""The lines of a ledger export, which `market/verifier.py` reads; the format stands there.

The caller writes, in this order: `header_line`; then for each tick `tick_line`, `account_line`s of
accounts named for the first time or blinded anew, `entry_line`s of keys and of the sets,
`rows_line` for orders and readings in great number, `book_line`, then the rest of the log in its
order with each `transfers_line` after its Settlement, and `checkpoint_line`.
"""

import base64
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from market.books import KEY_TYPES, SET_OF, Entry, ErasedTick, SettledBatch, TickEntries
from market.checkpoint import origin_of
from market.entries import ENTRY_TYPES
from market.messages import message_as_json
from market.readings import ReadingBatch
from market.signing import Domain
from market.transfers import Transfer, system_account

ROW = struct.Struct(">HBH32s32s16sQI32s32s32s32s")
ROWS = {
    "Order": ">32sIQBQqBQQ32sIQ20s65s32s",
    "AutoOrder": ">32s32sQIQBQq32s",
    "Reading": ">32s32sQQQQQBI20s65s32s",
}
HEAD = struct.Struct(">32sQ32s32s")
SUM = struct.Struct(">H32s16s")
ORDERS = ("Order", "AutoOrder")
PACKED_FROM = 16
"""So many orders of a tick are written as rows, fewer one by one."""


def header_line(domain: Domain, registrar: bytes) -> str:
    """The trust root: market, domain, name of the log, registrar's address, operator's account."""
    return _line(
        line="header",
        export="microgrid-ledger/1",
        market=domain.market_id,
        domain=domain.as_json(),
        origin=origin_of(domain.market_id),
        registrar=_hex(registrar),
        operator=_hex(system_account(domain.market_id, "SPC")),
    )


class TickSeal(Protocol):
    """What a tick was sealed to: its log from the old size on, and the signed note."""

    @property
    def log(self) -> Sequence[Entry]:
        """Entries in the order of the log."""

    @property
    def note(self) -> str:
        """The text of the checkpoint."""


def tick_lines(
    tick: TickEntries,
    sealed: TickSeal,
    new_blinds: Mapping[bytes, bytes],
    used: Mapping[bytes, "Used"],
    cleared: Mapping[int, bytes],
) -> Iterator[str]:
    """All lines of one tick; `used` tells what each Settlement (by digest) was made from, `cleared`
    has packed rows by label: of the energy's Clearing its fills, of a premium tier all of it.
    """
    yield tick_line(tick.tick)
    if tick.erased is not None:
        yield erased_line(tick.erased)
    for account, blind in new_blinds.items():
        yield account_line(account, blind)
    keys = [entry for entry in sealed.log if entry.type in KEY_TYPES]
    yield from map(entry_line, keys)
    packed = {name: rows for name in ORDERS if len(rows := _of_type(tick, name)) >= PACKED_FROM}
    for entry in tick.entries:
        if entry.type in SET_OF and entry.type not in packed:
            yield entry_line(entry)
    for name, orders in packed.items():
        yield orders_line(name, orders)
    if len(tick.readings):
        yield readings_line(tick.readings)
    if tick.book_tags is not None:
        yield book_line(tick.tick, tick.book_tags)
    for entry in sealed.log[len(keys) :]:
        yield entry_line(entry)
        if entry.type == "Clearing":
            label = entry.message["label"]
            yield cleared_line(entry.digest, label, cleared[label])
        if entry.type == "Settlement":
            batch = tick.batches[entry.digest]
            readings, originals = used.get(entry.digest, ((), ()))
            yield transfers_line(entry.digest, batch, readings, originals)
    yield checkpoint_line(sealed.note)


Used = tuple[Sequence[bytes], Sequence[Transfer]]  # leaves of readings; originals of REVERSEs


def _of_type(tick: TickEntries, name: str) -> list[Entry]:
    return [entry for entry in tick.entries if entry.type == name]


def tick_line(tick: int) -> str:
    """The beginning of a tick."""
    return _line(line="tick", tick=str(tick))


def erased_line(erased: ErasedTick) -> str:
    """What is left of entries whose bodies were destroyed, and where histories stand after them."""
    sets = [
        {"kind": str(kind), "leaves": _base64(b"".join(sorted(leaves)))}
        for kind, leaves in sorted(erased.leaves.items())
        if leaves
    ]
    heads = [HEAD.pack(account, *chain) for account, chain in sorted(erased.heads.items())]
    covered = [account + b"".join(row) for account, row in sorted(erased.covered.items())]
    again = [
        HEAD.pack(account, *chain) + b"".join(_signed(amount) for amount in balances)
        for account, (chain, balances) in sorted(erased.again.items())
    ]
    rows = {"heads": heads, "covered": covered, "again": again}
    packed = {name: _base64(b"".join(parts)) for name, parts in rows.items()}
    return _line(line="erased", sets=sets, **packed)


def account_line(account: bytes, blind: bytes) -> str:
    """The blinded name of an account from here on."""
    return _line(line="account", account=_hex(account), blind=_hex(blind))


def book_line(slot: int, tags: Iterable[bytes]) -> str:
    """The locked orders of a slot by their leaf hashes."""
    return _line(line="book", slot=str(slot), tags=_base64(b"".join(sorted(tags))))


def cleared_line(clearing: bytes, label: int, rows: bytes) -> str:
    """What follows a Clearing: of energy the fills, of a label all rows of its tier."""
    kind = "label" if label else "fills"
    return _line(line=kind, clearing=_hex(clearing), rows=_base64(rows))


def entry_line(entry: Entry) -> str:
    """One signed entry."""
    return _line(line="entry", **_entry(entry))


def _entry(entry: Entry) -> dict[str, Any]:
    pairs = zip(entry.signers, entry.signatures, strict=True)
    return {
        "type": entry.type,
        "message": message_as_json(entry.type, entry.message),
        "signatures": [{"signer": _hex(who), "signature": _hex(what)} for who, what in pairs],
        "salt": _hex(entry.salt),
    }


def orders_line(name: str, orders: Iterable[Entry]) -> str:
    """Orders of one type with their signatures, if they have any, one row each."""
    pack, names = struct.Struct(ROWS[name]).pack, ENTRY_TYPES[name].fields
    rows = [
        pack(
            *(entry.message[field.name] for field in names),
            *entry.signers,
            *entry.signatures,
            entry.salt,
        )
        for entry in orders
    ]
    return _line(line="rows", type=name, rows=_base64(b"".join(rows)))


def readings_line(batch: ReadingBatch) -> str:
    """Readings with their signatures, one row each."""
    return _line(line="rows", type="Reading", rows=_base64(pack_readings(batch)))


def pack_readings(batch: ReadingBatch) -> bytes:
    """The rows of readings, each with signer, signature and salt."""
    pack = struct.Struct(ROWS["Reading"]).pack
    columns = zip(batch.readings, batch.signers, batch.signatures, batch.salts, strict=True)
    return b"".join(pack(*reading, *rest) for reading, *rest in columns)


def pack_transfers(transfers: Iterable[Transfer], salts: Iterable[bytes]) -> bytes:
    """The rows of transfers, each with its salt."""
    pairs = zip(transfers, salts, strict=True)
    return b"".join(_row(transfer, salt) for transfer, salt in pairs)


def transfers_line(
    settlement: bytes,
    batch: SettledBatch,
    readings: Iterable[bytes] = (),
    originals: Iterable[Transfer] = (),
) -> str:
    """The transfers of a Settlement; the readings it used; the originals that it reverses."""
    reversed_ = list(originals)
    erased = {}
    if batch.gone:
        sums = [SUM.pack(ledger, name, _signed(amount)) for ledger, name, amount in batch.sums]
        erased = {
            "gone": _base64(b"".join(sorted(batch.gone))),
            "sums": _base64(b"".join(sorted(sums))),
        }
    return _line(
        line="transfers",
        settlement=_hex(settlement),
        rows=_base64(pack_transfers(batch.transfers, batch.salts)),
        readings=_base64(b"".join(sorted(readings))),
        originals=_base64(pack_transfers(reversed_, [bytes(32)] * len(reversed_))),
        **erased,
    )


def checkpoint_line(note: str) -> str:
    """The end of a tick: its signed note."""
    return _line(line="checkpoint", note=note)


def log_header_line() -> str:
    """The beginning of a log of checkpoints, which needs the trust root beside it."""
    return _line(line="log", log="microgrid-log/1")


def log_line(keys: Iterable[Entry], leaves: Iterable[bytes], note: str) -> str:
    """One tick of a log of checkpoints: the operator's key entries, the log's leaves, the note."""
    return _line(keys=[_entry(one) for one in keys], leaves=_base64(b"".join(leaves)), note=note)


def _row(transfer: Transfer, salt: bytes) -> bytes:
    return ROW.pack(*transfer[:5], transfer.amount.to_bytes(16, "big"), *transfer[6:], salt)


def _signed(amount: int) -> bytes:
    return amount.to_bytes(16, "big", signed=True)


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _line(**fields: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

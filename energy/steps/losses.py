"""Signed heads that a store has lost, accepted by a person: who said so, and that the log says so.

What is lost was published, so the log that goes on is another branch from there. It tells of that
itself: an entry `Rules` of kind 5 whose content is the SHA-256 of the accepted loss.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from energy.config import Settings
from energy.steps.books import Books, head_file_of, load_registry
from energy.store.audit import Record, append_record
from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.meta import find_fact, settle_fact
from energy.store.signed_head import SignedHead, loss_of, newest_head
from energy.store.slots import raise_fence
from market.books import Entry, make_entry

LOSS_KIND = 5
FENCE_LEAP = 1_000_000
"""Fences may have been given after the lost head was kept: devices must believe the next ones."""


@dataclass(frozen=True)
class AcceptedLoss:
    """A loss that was accepted: the head that was signed, and the one that the store goes on from.

    `content` is what the entry of the log names by its hash.
    """

    no: int
    lost: SignedHead
    goes_on: SignedHead
    content: str


def accept_loss(
    store: Store, settings: Settings, who: str, reason: str, now_s: int
) -> AcceptedLoss:
    """Let the store go on without the heads that it lacks: recorded, under fences above all given.

    Raises StoreError where it lacks none.
    """
    file = head_file_of(store.read(load_registry).domain.market_id, settings)
    told = None if file is None else store.read(lambda connection: loss_of(connection, file))
    if file is None or told is None:
        raise StoreError("accept-loss: the store lacks no signed head, nothing is to be accepted")

    def unit(connection: Connection) -> AcceptedLoss:
        lost, goes_on = file.read(), newest_head(connection)
        assert lost is not None and goes_on is not None, "a loss is of one, and books have a head"
        raise_fence(connection, max(lost.fence, goes_on.fence) + FENCE_LEAP)
        task = f"accept the loss of signed heads: {told}; {reason}"
        append_record(connection, Record(int(now_s * 1e6), who, "this machine", "district", task))
        number = _next_number(connection)
        content = json.dumps(
            {
                "lost": asdict(lost), "goes_on_from": asdict(goes_on),
                "accepted_s": now_s, "reason": reason,
            },
            sort_keys=True,
        )  # fmt: skip
        settle_fact(connection, _fact_of(number), content)
        return AcceptedLoss(number, lost, goes_on, content)

    accepted = store.write(unit)
    file.keep(accepted.goes_on, even_older=True)
    return accepted


def untold_losses(connection: Connection) -> dict[int, str]:
    """Accepted losses that the log does not tell of yet, by number."""
    numbers = range(1, _next_number(connection))
    return {
        no: find_fact(connection, _fact_of(no)) or ""
        for no in numbers
        if find_fact(connection, _told_of(no)) is None
    }


def enter_losses(books: Books, untold: dict[int, str], tick: int) -> dict[int, Entry]:
    """The entries of the log that tell of losses, by their number."""
    return {
        no: make_entry(
            books.domain,
            "Rules",
            {
                "kind": LOSS_KIND,
                "version": no,
                "from_slot": tick,
                "content": hashlib.sha256(content.encode()).digest(),
            },
            books.keys.trading,
        )
        for no, content in untold.items()
    }


def save_loss_entry(connection: Connection, number: int, entry: bytes) -> None:
    """Keep which entry of the log tells of a loss."""
    settle_fact(connection, _told_of(number), entry.hex())


def _next_number(connection: Connection) -> int:
    number = 1
    while find_fact(connection, _fact_of(number)) is not None:
        number += 1
    return number


def _fact_of(number: int) -> str:
    return f"loss/{number}"


def _told_of(number: int) -> str:
    return f"loss/{number}/entry"

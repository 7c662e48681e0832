"""Eight workers, each with connections of its own, contest the same slots, orders and guesses.

On PostgreSQL once under the isolation that the store asks for, and once under the weaker READ
COMMITTED: what is counted, claimed and paid rests on constraints and locks of rows.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

from energy.store.admission import admit_orders
from energy.store.audit import Record, append_record, count_records, first_broken
from energy.store.engine import (
    RETRIED_SQLSTATES,
    Store,
    _reader,
    _writer,
    open_store,
    parse_url,
)
from energy.store.errors import FenceError, StoreBusyError, StoreError
from energy.store.schema import fence_counter, market_order, order_conflict
from energy.store.sessions import GuessLimit, issue_nonce, take_guess, use_nonce
from energy.store.slots import SlotOutcome, claim_slot, find_slot, next_fence, publish_slot
from energy.store.sqlite import create_sqlite_engine
from energy.units import SLOT_S

WORKERS = 8
CONTESTED = 1_000
NOW_S = 1_784_105_000
FIRST_OPEN = 1_784_106_000
SLOTS = 80
# SQLite has words and no codes.
USED_TWICE = "UNIQUE constraint failed: market_order.account, market_order.nonce"
KINDS = ("sqlite", "postgresql", "postgresql, read committed")


@dataclass
class Rivals:
    """Stores that share nothing but the database, and what the database has told them."""

    kind: str
    stores: list[Store]
    told: Counter[str] = field(default_factory=Counter)

    def contest(self, act: Callable[[Store, int], Any]) -> list[Any]:
        """What each worker's act gives, all begun at once; what one raises is raised."""
        start = threading.Barrier(len(self.stores))

        def attempt(number: int) -> Any:
            start.wait()
            return act(self.stores[number], number)

        with ThreadPoolExecutor(len(self.stores)) as pool:
            return list(pool.map(attempt, range(len(self.stores))))

    def read(self, unit: Callable[[Any], Any]) -> Any:
        return self.stores[0].read(unit)

    @property
    def retried(self) -> str:
        """What the database refused and the store tried again, in words."""
        told = ", ".join(f"{count} x {code}" for code, count in sorted(self.told.items()))
        return told or "nothing"


def listen(store: Store, told: Counter[str]) -> None:
    """Count what the database refuses."""

    @event.listens_for(store._writer, "handle_error")
    def count(context: Any) -> None:
        code = getattr(context.original_exception, "sqlstate", None)
        told[str(code or context.original_exception)] += 1


@contextlib.contextmanager
def rivals_on(url: str, kind: str, begin: str = "BEGIN IMMEDIATE") -> Iterator[Rivals]:
    open_store(url).close()
    parsed, found = parse_url(url), Rivals(kind, [])
    try:
        for _ in range(WORKERS):
            writer = _writer(parsed)
            if kind == "sqlite":
                writer = create_sqlite_engine(parsed, begin=begin, pool_size=1, max_overflow=0)
            if "read committed" in kind:
                writer = writer.execution_options(isolation_level="READ COMMITTED")
            # No lock on the file: whoever comes by another way meets the same rules.
            found.stores.append(Store(writer, _reader(parsed)))
            listen(found.stores[-1], found.told)
        yield found
    finally:
        for store in found.stores:
            store.close()


@pytest.fixture(params=KINDS)
def rivals(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rivals]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'races.db'}"
    else:
        url = request.getfixturevalue("new_postgresql")()
    with rivals_on(url, request.param) as found:
        yield found


def decide(store: Store, number: int, slot: int) -> int | None:
    """Claim a slot and publish it; the fence under which that was done, None where it was not."""

    def claim(connection: Any) -> Any:
        return claim_slot(connection, slot, f"worker {number}", 1)

    try:
        claimed = store.write(claim)
        how = SlotOutcome("ok", "T0", f"worker {number}")
        store.write(lambda connection: publish_slot(connection, claimed, how, 2))
    except StoreBusyError:
        raise
    except (FenceError, StoreError):
        return None
    return int(claimed.fence)


def contest_slots(rivals: Rivals, count: int) -> None:
    """Each slot is decided by one, whose name and fence stand in its row; no fence comes twice."""
    fences: list[int] = []
    for slot in range(0, count * SLOT_S, SLOT_S):
        found = rivals.contest(lambda store, n, slot=slot: decide(store, n, slot))
        winners = [number for number, fence in enumerate(found) if fence is not None]
        assert len(winners) == 1, f"slot {slot} was decided by {winners}"
        row = rivals.read(lambda connection, slot=slot: find_slot(connection, slot))
        assert (row.owner, row.reason, row.fence) == (
            f"worker {winners[0]}", f"worker {winners[0]}", found[winners[0]]
        )  # fmt: skip
        fences.append(row.fence)
    assert fences == sorted(set(fences))
    last = rivals.read(lambda connection: connection.scalar(select(fence_counter.c.last)))
    assert last >= fences[-1]


def contest_orders(rivals: Rivals, desk: Any, count: int) -> None:
    """Half of the workers send the same order, the others each another one under its nonce."""
    for number in range(count):
        member, at = number % len(desk.crowd), number // len(desk.crowd)
        slot, nonce = FIRST_OPEN + at % SLOTS * SLOT_S, 1_000 + number
        same = {"slot": slot, "expires": slot - 300, "nonce": nonce}
        texts = [
            desk.order(member, **same, e_wh=500 + (worker if worker % 2 else 0))
            for worker in range(WORKERS)
        ]

        def send(store: Store, worker: int, texts: list[bytes] = texts) -> Any:
            (found,) = store.write(
                lambda connection: admit_orders(connection, desk.admission, [texts[worker]], NOW_S)
            )
            return found

        answers = rivals.contest(send)
        new = [one for one in answers if one.is_new]
        accepted = {one.id for one in answers if one.refusal is None}
        assert len(new) == 1 and accepted == {new[0].id}, f"order {number}: {len(accepted)} ids"
        refusals = {one.refusal.code.value for one in answers if one.refusal is not None}
        assert refusals == {"NONCE_CONFLICT"}
    rows = select(func.count(), func.count(func.distinct(market_order.c.nonce)))
    assert tuple(rivals.read(lambda c: c.execute(rows).one())) == (count, count)
    kept = rivals.read(lambda c: c.scalar(select(func.count()).select_from(order_conflict)))
    assert kept >= count * (WORKERS // 2 - 1)


def contest_counts(rivals: Rivals, count: int) -> None:
    """Guesses are counted, a nonce is taken once, and every act stands in the audit log's chain."""
    limit, acts = GuessLimit(most=3, refill_s=1e9), 0
    for number in range(count):

        def issue(connection: Any, number: int = number) -> bool:
            return issue_nonce(connection, f"nonce-{number}", bytes(32), 0)

        assert rivals.stores[0].write(issue)

        def act(connection: Any, worker: int, number: int = number) -> tuple[bool, bool]:
            guessed = take_guess(connection, f"name {number}", limit, 1.0) == 0.0
            record = Record(number, f"worker {worker}", "here", "nobody", "guess")
            append_record(connection, record)
            return guessed, use_nonce(connection, f"nonce-{number}", bytes(32), 1)

        found = rivals.contest(lambda store, worker, act=act: store.write(lambda c: act(c, worker)))
        acts += len(found)
        guesses, taken = (sum(each) for each in zip(*found, strict=True))
        assert (guesses, taken) == (limit.most, 1), f"{guesses} guesses, nonce taken {taken} times"
    assert rivals.read(count_records) == acts
    assert rivals.read(first_broken) is None


@pytest.mark.check(6)
@pytest.mark.parametrize("what", ["slots", "orders", "counts"])
def test_what_eight_contest_is_decided_once(
    rivals: Rivals, desk: Any, check: Any, what: str
) -> None:
    count = check.trials(CONTESTED, 6)
    if what == "slots":
        contest_slots(rivals, count)
    elif what == "orders":
        contest_orders(rivals, desk, count)
    else:
        contest_counts(rivals, count)
    assert set(rivals.told) <= RETRIED_SQLSTATES | {USED_TWICE}
    check.state(f"{rivals.kind}: {count:,} {what}, each decided once; retried {rivals.retried}")


@pytest.mark.parametrize("in_line", [True, False])
def test_units_in_line_lose_no_race_and_others_do(rivals: Rivals, in_line: bool) -> None:
    def count_up(store: Store, _: int) -> list[int]:
        return [store.write(next_fence, in_line=in_line) for _ in range(10)]

    numbers = [number for found in rivals.contest(count_up) for number in found]
    assert sorted(numbers) == list(range(1, 10 * WORKERS + 1))
    if in_line:
        # A serialisable database may see a conflict where none is; of eighty units hardly one.
        assert rivals.told.total() <= 2
    if not in_line and rivals.kind == "postgresql":
        assert rivals.told["40001"]


@pytest.mark.check(6, canary=True)
def test_with_a_transaction_that_begins_deferred_a_read_and_a_write_lose_the_race(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'races.db'}"
    with (
        rivals_on(url, "sqlite", begin="BEGIN") as rivals,
        pytest.raises(StoreBusyError, match="locked"),
    ):
        contest_slots(rivals, 50)


@pytest.mark.check(6, canary=True)
def test_without_the_constraint_on_nonces_two_orders_share_one(
    new_postgresql: Callable[[], str], desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = {one for one in market_order.constraints if one.name != "market_order_account_nonce"}
    monkeypatch.setattr(market_order, "constraints", left)
    with (
        rivals_on(new_postgresql(), "postgresql, read committed") as rivals,
        pytest.raises(AssertionError, match=r"order \d+: \d ids"),
    ):
        contest_orders(rivals, desk, 50)

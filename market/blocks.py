"""Block orders: all or nothing over one slot or several, linked or exclusive, beside the auction.

For batteries, fleets and heat pumps only. Which blocks are accepted is chosen exactly, by branch
and bound over the auction itself: a block that is not decided yet counts as divisible, which is
never worth less. What a choice makes due stands in each slot's book at the edge of the price band,
so that prices, shares and the certificate of the divisible orders are those of any auction. A
choice whose due Wh are not all filled there does not fit. In the end each slot's due Wh move to
their own limits where all of them are filled at these too: the price then suits the blocks as well.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from market.book import Book, BookRow, book_of
from market.certificate import check_clearing
from market.clearing import clear_slot
from market.errors import MarketError
from market.network import MarketNetwork
from market.orders import Side
from market.result import Clearing
from market.rules import MarketRules

PPM = 1_000_000


@dataclass(frozen=True)
class BlockOrder:
    """Wh by slot at one limit price, at least `least_ppm` of them or nothing.

    Over several slots a block is whole. A child is accepted only with its `parent`; of the blocks
    of one `group` at most one is.
    """

    id: bytes
    side: Side
    price_mkrw_per_kwh: int
    e_wh: tuple[tuple[int, int], ...]
    node: int = 0
    zone: int = 0
    least_ppm: int = PPM
    parent: bytes | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        slots = [slot for slot, _ in self.e_wh]
        if not slots or len(set(slots)) != len(slots) or min(wh for _, wh in self.e_wh) < 1:
            raise MarketError(f"block {self.id.hex()}: e_wh, allowed 1 Wh or more, each slot once")
        if not 1 <= self.least_ppm <= PPM or (len(slots) > 1 and self.least_ppm != PPM):
            raise MarketError(
                f"block {self.id.hex()}: least_ppm {self.least_ppm} over {len(slots)} slots, "
                f"allowed 1..{PPM}, and {PPM} over more than one"
            )

    def due_wh(self, e_wh: int) -> int:
        """What must be filled of a slot's Wh if the block is accepted."""
        return -(-e_wh * self.least_ppm // PPM)


@dataclass(frozen=True, eq=False)
class BlockClearing:
    """The slots' clearings with the chosen blocks in their books, and what became of each block.

    `fill_wh` is by accepted block, then slot. `dropped` were taken out because they lost money at
    the prices, `paradoxical` are rejected although they would have gained at them. `bound_ukrw` is
    what no choice could exceed: equal to `welfare_ukrw` where the search came to its end.
    """

    clearings: dict[int, Clearing]
    fill_wh: dict[bytes, dict[int, int]]
    dropped: tuple[bytes, ...]
    paradoxical: tuple[bytes, ...]
    welfare_ukrw: int
    bound_ukrw: int


class _State(Enum):
    OPEN = "open"  # not decided: divisible, which is a relaxation
    IN = "in"
    OUT = "out"


def clear_blocks(
    books: Mapping[int, Book],
    blocks: Sequence[BlockOrder],
    rules: MarketRules,
    networks: Mapping[int, MarketNetwork] | None = None,
    visits_max: int = 5_000,
) -> BlockClearing:
    """The choice of greatest welfare in which no accepted block loses money at the prices.

    Of equal choices the one with the smallest sorted list of ids. A block that loses is dropped,
    the one that loses most first, ties by id, and the rest chosen anew.
    """
    _require_sound(books, blocks)
    dropped: list[bytes] = []
    while True:
        search = _Search(books, blocks, rules, networks or {}, frozenset(dropped), visits_max)
        search.run()
        fills = search.fills()
        loss = {
            one.id: -search.surplus(one, fills[one.id]) for one in blocks if one.id in search.best
        }
        losing = sorted((-amount, id_) for id_, amount in loss.items() if amount > 0)
        if not losing:
            break
        dropped.append(losing[0][1])
    paradoxical = tuple(
        one.id
        for one in sorted(blocks, key=lambda one: one.id)
        if one.id not in search.best and search.surplus(one, dict(one.e_wh)) > 0
    )
    clearings = search.final()
    return BlockClearing(
        clearings, fills, tuple(dropped), paradoxical, search.best_ukrw, search.bound_ukrw
    )


def check_blocks(
    books: Mapping[int, Book],
    blocks: Sequence[BlockOrder],
    rules: MarketRules,
    found: BlockClearing,
    networks: Mapping[int, MarketNetwork] | None = None,
) -> list[str]:
    """What is wrong with a clearing with blocks; empty is the proof of all but its optimality.

    Every slot's certificate holds, accepted blocks are filled as they ask and lose nothing, links
    and groups are kept. That no other choice is better is what `bound_ukrw` claims, no more.
    """
    faults, accepted = [], set(found.fill_wh)
    search = _Search(books, blocks, rules, networks or {}, frozenset(), 0)
    states = search.states_of(frozenset(accepted))
    faults += _broken_links(blocks, accepted)
    for slot in sorted(books):
        clearing = found.clearings[slot]
        books_allowed = [search.book(slot, states, at_edge=edge) for edge in (True, False)]
        book = next((one for one in books_allowed if one.root == clearing.book.root), None)
        if book is None:
            faults.append(f"slot {slot}: the book is not that of the accepted blocks")
            continue
        network = (networks or {}).get(slot)
        faults += [f"slot {slot}: {one}" for one in check_clearing(book, rules, clearing, network)]
    if faults:
        return faults
    for one in blocks:
        fills = found.fill_wh.get(one.id)
        if fills is None:
            continue
        shown = _fills_of(one, found.clearings)
        if fills != shown or any(fills[slot] < one.due_wh(wh) for slot, wh in one.e_wh):
            faults.append(f"block {one.id.hex()}: filled {fills}, shown {shown}")
        if _surplus(one, fills, found.clearings) < 0:
            faults.append(f"block {one.id.hex()}: loses money at the prices")
    welfare = search.worth(states, found.clearings)
    if welfare != found.welfare_ukrw or found.bound_ukrw < welfare:
        faults.append(f"welfare {found.welfare_ukrw} up to {found.bound_ukrw}, found {welfare}")
    return faults


def _require_sound(books: Mapping[int, Book], blocks: Sequence[BlockOrder]) -> None:
    by_id = {one.id: one for one in blocks}
    if len(by_id) != len(blocks):
        raise MarketError("blocks: an id stands twice, allowed once")
    for one in blocks:
        missing = [slot for slot, _ in one.e_wh if slot not in books]
        if missing:
            raise MarketError(f"block {one.id.hex()}: slot {missing[0]} has no book")
        seen, at = {one.id}, one
        while at.parent is not None:
            if at.parent not in by_id or at.parent in seen:
                raise MarketError(
                    f"block {one.id.hex()}: parent {at.parent.hex()} is unknown or its own child"
                )
            seen.add(at.parent)
            at = by_id[at.parent]


def _broken_links(blocks: Iterable[BlockOrder], accepted: set[bytes]) -> list[str]:
    faults, groups = [], set[str]()
    for one in blocks:
        if one.id not in accepted:
            continue
        if one.parent is not None and one.parent not in accepted:
            faults.append(f"block {one.id.hex()}: accepted without its parent")
        if one.group is not None:
            if one.group in groups:
                faults.append(f"block {one.id.hex()}: a second one of group {one.group}")
            groups.add(one.group)
    return faults


def _tag(one: BlockOrder, slot: int, due: bool) -> bytes:
    return hashlib.sha256(b"block/1" + one.id + slot.to_bytes(8, "big") + bytes([due])).digest()


def _fills_of(one: BlockOrder, clearings: Mapping[int, Clearing]) -> dict[int, int]:
    found = {}
    for slot, _ in one.e_wh:
        fill = clearings[slot].fill_by_tag()
        found[slot] = sum(fill.get(_tag(one, slot, due), 0) for due in (True, False))
    return found


def _surplus(one: BlockOrder, fills: Mapping[int, int], clearings: Mapping[int, Clearing]) -> int:
    """What the block gains with these fills at the prices of the slots, micro-won.

    A slot in which nothing was traded has no price to gain at.
    """
    sign = 1 if one.side == Side.BID else -1
    return sum(
        sign * wh * (one.price_mkrw_per_kwh - clearings[slot].prices().get(one.node, 0))
        for slot, wh in fills.items()
        if clearings[slot].volume_wh
    )


@dataclass
class _Search:
    """Branch and bound: all choices of blocks, cut where the relaxation is worth less."""

    books: Mapping[int, Book]
    blocks: Sequence[BlockOrder]
    rules: MarketRules
    networks: Mapping[int, MarketNetwork]
    excluded: frozenset[bytes]
    visits_max: int
    best: frozenset[bytes] = frozenset()
    best_ukrw: int = 0
    bound_ukrw: int = 0
    _visits: int = 0
    _final: dict[int, Clearing] | None = None
    _known: dict[tuple[int, tuple[tuple[bytes, _State], ...]], Clearing] = field(
        default_factory=dict
    )

    def run(self) -> None:
        """Find the best choice; `bound_ukrw` is above it only if the visits ran out."""
        self.blocks = sorted(self.blocks, key=lambda one: one.id)
        nothing = self.states_of(frozenset())
        self.best_ukrw = self.bound_ukrw = self.worth(nothing, self.clearings(nothing))
        start = {one.id: _State.OPEN for one in self.blocks if one.id not in self.excluded}
        self._visit(nothing | start)

    def states_of(self, accepted: frozenset[bytes]) -> dict[bytes, _State]:
        """The states in which these blocks are in and all others out."""
        return {one.id: _State.IN if one.id in accepted else _State.OUT for one in self.blocks}

    def fills(self) -> dict[bytes, dict[int, int]]:
        """Wh by slot of each accepted block."""
        clearings = self.final()
        return {one.id: _fills_of(one, clearings) for one in self.blocks if one.id in self.best}

    def surplus(self, one: BlockOrder, fills: Mapping[int, int]) -> int:
        """What a block gains with these fills at the prices of the best choice."""
        return _surplus(one, fills, self.final())

    def _visit(self, states: dict[bytes, _State]) -> None:
        bound = self.worth(states, self.clearings(states))
        if bound < self.best_ukrw:
            return
        if self._visits >= self.visits_max:
            self.bound_ukrw = max(self.bound_ukrw, bound)
            return
        self._visits += 1
        undecided = [one for one in self.blocks if states[one.id] == _State.OPEN]
        if not undecided:
            accepted = frozenset(id_ for id_, state in states.items() if state == _State.IN)
            better = (-bound, sorted(accepted)) < (-self.best_ukrw, sorted(self.best))
            if better and self._fits(states, self.clearings(states)):
                self.best, self.best_ukrw = accepted, bound
                self.bound_ukrw = max(self.bound_ukrw, bound)
            return
        one = undecided[0]
        inside = self._with(states, one)
        if inside is not None:
            self._visit(inside)
        self._visit(self._without(states, one))

    def _with(self, states: dict[bytes, _State], one: BlockOrder) -> dict[bytes, _State] | None:
        """The states with the block in, its parents too and its rivals out; None if they cannot."""
        found, by_id = dict(states), {other.id: other for other in self.blocks}
        chain = [one]
        while chain[-1].parent is not None:
            chain.append(by_id[chain[-1].parent])
        for link in chain:
            if found[link.id] == _State.OUT:
                return None
            found[link.id] = _State.IN
            for other in self.blocks:
                rival = link.group is not None and other.group == link.group
                if rival and other.id != link.id:
                    if found[other.id] == _State.IN:
                        return None
                    found = self._without(found, other)
        return found

    def _without(self, states: dict[bytes, _State], one: BlockOrder) -> dict[bytes, _State]:
        """The states with the block and all below it out."""
        found = {**states, one.id: _State.OUT}
        for other in self.blocks:
            if other.parent == one.id and found[other.id] != _State.OUT:
                found = self._without(found, other)
        return found

    def clearings(self, states: Mapping[bytes, _State]) -> dict[int, Clearing]:
        """The clearing of every slot, each one made once."""
        return {slot: self._clearing(slot, states) for slot in self.books}

    def final(self) -> dict[int, Clearing]:
        """The clearings of the best choice, due Wh at their own limits where that fills them."""
        if self._final is None:
            states = self.states_of(self.best)
            self._final = self.clearings(states)
            for slot in self.books:
                book = self.book(slot, states, at_edge=False)
                own = clear_slot(book, self.rules, self.networks.get(slot))
                if self._fits(states, {slot: own}):
                    self._final[slot] = own
        return self._final

    def _clearing(self, slot: int, states: Mapping[bytes, _State]) -> Clearing:
        here = tuple((one.id, states[one.id]) for one in self.blocks if slot in dict(one.e_wh))
        key = (slot, here)
        if key not in self._known:
            book = self.book(slot, states)
            self._known[key] = clear_slot(book, self.rules, self.networks.get(slot))
        return self._known[key]

    def book(self, slot: int, states: Mapping[bytes, _State], at_edge: bool = True) -> Book:
        """The slot's book with what blocks make due, and with what of them can be divided.

        What is due stands at the edge of the band, or at the blocks' own limits.
        """
        book, rules = self.books[slot], self.rules
        columns = (book.zone, book.side, book.price_mkrw_per_kwh, book.e_wh, book.node)
        numbers = zip(book.tags(), *(column.tolist() for column in columns), strict=True)
        rows = [BookRow(*row) for row in numbers]
        for one in self.blocks:
            e_wh = dict(one.e_wh).get(slot)
            if e_wh is None or states[one.id] == _State.OUT:
                continue
            bid = one.side == Side.BID
            edge = rules.cap_mkrw_per_kwh if bid else rules.floor_mkrw_per_kwh
            edge = edge if at_edge else one.price_mkrw_per_kwh
            due = one.due_wh(e_wh) if states[one.id] == _State.IN else 0
            for wh, price, is_due in (
                (due, edge, True),
                (e_wh - due, one.price_mkrw_per_kwh, False),
            ):
                if wh:
                    tag = _tag(one, slot, is_due)
                    rows.append(BookRow(tag, one.zone, int(one.side), price, wh, one.node))
        return book_of(slot, rows)

    def worth(self, states: Mapping[bytes, _State], clearings: Mapping[int, Clearing]) -> int:
        """Welfare at the blocks' own limits; what no choice from here on exceeds.

        A due Wh counts in a clearing at the limit that it has in the book there.
        """
        total = 0
        for slot, clearing in clearings.items():
            book = clearing.book
            limit = dict(zip(book.tags(), book.price_mkrw_per_kwh.tolist(), strict=True))
            total += clearing.welfare_ukrw
            for one, due in self._due(states, slot):
                apart = abs(limit[_tag(one, slot, True)] - one.price_mkrw_per_kwh)
                total -= apart * due
        return total

    def _due(self, states: Mapping[bytes, _State], slot: int) -> list[tuple[BlockOrder, int]]:
        """What each accepted block makes due in a slot, Wh."""
        accepted = (one for one in self.blocks if states[one.id] == _State.IN)
        wh_of = ((one, dict(one.e_wh).get(slot)) for one in accepted)
        return [(one, one.due_wh(e_wh)) for one, e_wh in wh_of if e_wh is not None]

    def _fits(self, states: Mapping[bytes, _State], clearings: Mapping[int, Clearing]) -> bool:
        """Whether all that the accepted blocks make due is filled in these slots."""
        for slot, clearing in clearings.items():
            fill = clearing.fill_by_tag()
            if any(fill[_tag(one, slot, True)] != due for one, due in self._due(states, slot)):
                return False
        return True

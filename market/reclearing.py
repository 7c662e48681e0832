"""Clearing again after the grid check: links cut, the same sealed book, at most three rounds.

The check itself is a function that is handed in; here are only numbers. Whatever still breaks a
limit after the last round trades nothing: its nodes are forced, and the reason stands in the log.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from market.book import Book
from market.clearing import clear_slot
from market.errors import MarketError
from market.network import LinkLimit, MarketNetwork
from market.result import Clearing
from market.rules import WH_PER_SLOT_OF_KW, MarketRules

ROUNDS_MAX = 3
PPM = 1_000_000
_LEAST_CUT_PER_CENT = 100


@dataclass(frozen=True)
class Overload:
    """A limit of the grid that a clearing would break, and the link that touches it most.

    `excess_w` is the power above the limit, 1 or more; `sensitivity_ppm` how many millionths of a
    watt more on the link reach the limit; `loading_ppm` how full the limited part is.
    """

    from_node: int
    to_node: int
    excess_w: int
    sensitivity_ppm: int
    loading_ppm: int
    reason: str = ""


@dataclass(frozen=True)
class Round:
    """One clearing of the book, what the grid check said of it, and the cut that followed."""

    clearing: Clearing
    network: MarketNetwork
    overloads: tuple[Overload, ...]
    cut: LinkLimit | None
    forced: tuple[int, ...] = ()


def cut_of(network: MarketNetwork, clearing: Clearing, overload: Overload) -> LinkLimit:
    """What is left of the overload's link: its flow less what the excess needs, at least 1 % less.

    Where the flow is below the capacity, only cutting below the flow changes anything.
    """
    if overload.sensitivity_ppm <= 0 or overload.excess_w <= 0:
        raise MarketError(
            f"overload of {overload.from_node} -> {overload.to_node}: sensitivity_ppm "
            f"{overload.sensitivity_ppm} and excess_w {overload.excess_w}, allowed 1 or more"
        )
    by_pair = {(link.from_node, link.to_node): link for link in clearing.links}
    link = by_pair.get((overload.from_node, overload.to_node))
    if link is None:
        raise MarketError(
            f"network version {network.version}: no link {overload.from_node} -> "
            f"{overload.to_node} to cut"
        )
    before_wh = min(link.capacity_wh, link.flow_wh)
    needed = -(-overload.excess_w * PPM * WH_PER_SLOT_OF_KW // (overload.sensitivity_ppm * 1000))
    least = -(-before_wh // _LEAST_CUT_PER_CENT)
    left_wh = max(before_wh - max(needed, least), 0)
    return LinkLimit(overload.from_node, overload.to_node, left_wh, overload.reason)


def clear_within_grid(
    book: Book,
    rules: MarketRules,
    network: MarketNetwork,
    check: Callable[[Clearing], Sequence[Overload]],
) -> list[Round]:
    """All rounds of the book's clearing; the last one is what counts.

    `check` names the limits that a clearing would break, none if it holds. After the third round
    that breaks one, the nodes with orders at the ends of every link it names trade nothing; so do
    those of whatever would still break a limit without them.
    """
    rounds: list[Round] = []
    for number in range(1, ROUNDS_MAX + 1):
        clearing = replace(clear_slot(book, rules, network), round=number)
        overloads = tuple(check(clearing))
        if not overloads:
            rounds.append(Round(clearing, network, (), None))
            return rounds
        if number < ROUNDS_MAX:
            worst = max(overloads, key=lambda one: (one.loading_ppm, -one.from_node, -one.to_node))
            cut = cut_of(network, clearing, worst)
            rounds.append(Round(clearing, network, overloads, cut))
            network = network.limited([cut])
    return [*rounds, _without_trade(book, rules, network, check, overloads)]


def _without_trade(
    book: Book,
    rules: MarketRules,
    network: MarketNetwork,
    check: Callable[[Clearing], Sequence[Overload]],
    overloads: tuple[Overload, ...],
) -> Round:
    """The round that closes the nodes concerned, and more of them until no limit is broken."""
    ordered, broken = set(book.node.tolist()), overloads
    while True:
        # A hub has no orders: forbidding it would stop everybody behind it.
        ends = {node for one in broken for node in (one.from_node, one.to_node)}
        network, before = network.without(ends & ordered or ends), network.forced
        clearing = replace(clear_slot(book, rules, network), round=ROUNDS_MAX)
        broken = tuple(check(clearing))
        if not broken or network.forced == before:
            return Round(clearing, network, overloads, None, tuple(sorted(network.forced)))
        overloads = (*overloads, *(one for one in broken if one not in overloads))


def area_apart(network: MarketNetwork, node: int, limits: Sequence[LinkLimit]) -> MarketNetwork:
    """The network in which an area stands alone behind the limit of its own transformer.

    Every link into or out of the area's node must be named by one of `limits`; all other links
    stay as they are. With free, unlimited links the area cleared like its neighbours until now.
    """
    named = {(limit.from_node, limit.to_node) for limit in limits}
    touching = {
        (link.from_node, link.to_node)
        for link in network.links
        if node in (link.from_node, link.to_node)
    }
    if named != touching:
        raise MarketError(
            f"area {node}: limits for links {sorted(named)}, allowed all that touch it: "
            f"{sorted(touching)}"
        )
    return network.limited(limits)

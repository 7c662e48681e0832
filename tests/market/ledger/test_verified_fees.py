"""From the export alone: fees and rent are those of the signed clearing, and it carries itself."""

from collections.abc import Callable
from typing import Any

import pytest

from market import verifier
from market.transfers import Transfer, system_account

Batch = list[Transfer]


def moved(by: int) -> Callable[[Batch], Batch]:
    """Some micro-won of the fee go to the congestion rent instead."""

    def edit(batch: Batch) -> Batch:
        fee = next(one for one in batch if one.code == 11)
        rest = [one for one in batch if one.code != 11]
        rent = fee._replace(code=12, credit=system_account("elsewhere", "RENT"), amount=by)
        return [*rest, fee._replace(amount=fee.amount - by), rent]

    return edit


@pytest.mark.parametrize("by", [1, 1_249_999])
def test_fees_that_are_not_those_of_the_clearing_are_refuted(small_market: Any, by: int) -> None:
    lines = small_market({0: moved(by), 1: moved(by)}).lines
    report = verifier.verify_export(lines)
    assert not report.ok and report.first_failure is not None
    assert report.first_failure.check == "fees as cleared", report.first_failure


LIES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "more flows than fits": (lambda m: m["links"][0].update(capacity_wh=499), "certificate"),
    "energy from nowhere": (lambda m: m["links"][0].update(flow_wh=499), "certificate"),
    "a price apart without a full way": (
        lambda m: m["nodes"][1].update(price_mkrw_per_kwh=142_501), "certificate"),
    "less than the fee apart": (
        lambda m: m["nodes"][1].update(price_mkrw_per_kwh=142_499), "certificate"),
    "a volume of its own": (lambda m: m.update(volume_wh=501), "certificate"),
    "a way twice": (lambda m: m["links"].append(dict(m["links"][0])), "certificate"),
    "a way to no node": (lambda m: m["links"][0].update(to_node=9), "certificate"),
    "a network that the log has not": (lambda m: m.update(network_version=2), "network"),
    "no ways at all": (lambda m: m.update(links=[]), "network"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_signed_clearing_that_does_not_carry_itself_is_refuted(
    small_market: Any, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    tell, check = LIES[lie]
    kind = type(small_market())
    honest = kind.entry

    def lying(market: Any, name: str, message: dict[str, Any], *keys: str) -> Any:
        if name == "Clearing":
            tell(message)
        return honest(market, name, message, *keys)

    monkeypatch.setattr(kind, "entry", lying)
    report = verifier.verify_export(small_market().lines)
    assert not report.ok and report.first_failure is not None
    assert report.first_failure.check == check, report.first_failure

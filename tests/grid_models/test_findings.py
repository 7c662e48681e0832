"""Everything wrong with a network is found at once, each with element, field, found, allowed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grid_models import GridError, Network, PowerFlow, check_network, findings_text

Damage = Callable[[Network], Network]


def cell(table: str, column: str, row: int, value: Any) -> Damage:
    """Damage that changes one cell."""

    def damage(network: Network) -> Network:
        rows = getattr(network, table)
        column_now = getattr(rows, column)
        if isinstance(column_now, tuple):
            changed: Any = (*column_now[:row], value, *column_now[row + 1 :])
        else:
            changed = column_now.copy()
            changed[row] = value
        return replace(network, **{table: replace(rows, **{column: changed})})

    return damage


DAMAGES: dict[str, tuple[Damage, str]] = {
    "zero_impedance": (
        lambda n: cell("lines", "r_ohm_per_km", 1, 0.0)(cell("lines", "x_ohm_per_km", 1, 0.0)(n)),
        "line L1-1: x_ohm_per_km is 0.0, allowed is an impedance above 0",
    ),
    "line_without_rating": (
        cell("lines", "i_a_max", 2, 0.0),
        "line L1-2: i_a_max is 0.0, allowed is a number above 0",
    ),
    "line_with_missing_rating": (
        cell("lines", "i_a_max", 2, np.nan),
        "line L1-2: i_a_max is nan, allowed is a number above 0",
    ),
    "transformer_without_rating": (
        cell("transformers", "s_kva", 0, 0.0),
        "transformer T1: s_kva is 0.0, allowed is a number above 0",
    ),
    "bus_without_limit": (
        cell("buses", "v_min_pu", 3, np.nan),
        "bus near1: v_min_pu is nan, allowed is above 0 and below v_max_pu",
    ),
    "line_between_voltages": (
        cell("lines", "to_bus", 0, 2),
        "line F1: vn_kv is 0.4, allowed is one voltage at both ends",
    ),
    "transformer_at_wrong_voltage": (
        cell("transformers", "vn_lv_kv", 1, 0.69),
        "transformer T2: vn_lv_kv is 0.69, allowed is within 20% of its bus's vn_kv",
    ),
    "tap_out_of_range": (
        cell("transformers", "tap_pos", 0, 3),
        "transformer T1: tap_pos is 3, allowed is tap_min..tap_max",
    ),
    "copper_loss_above_impedance": (
        cell("transformers", "vkr_frac", 0, 0.05),
        "transformer T1: vkr_frac is 0.05, allowed is 0..vk_frac",
    ),
    "unknown_bus": (
        cell("lines", "to_bus", 1, 99),
        "line L1-1: to_bus is 99, allowed is 0..8",
    ),
    "line_to_itself": (
        cell("lines", "to_bus", 1, 2),
        "line L1-1: to_bus is 2, allowed is another bus than from_bus",
    ),
    "isolated_bus": (
        cell("lines", "closed", 2, False),
        "bus far1: supply is none, allowed is joined with slack bus source",
    ),
    "two_of_a_name": (
        cell("buses", "id", 4, "far2"),
        "bus far2: id is far2, allowed is a name of its own",
    ),
    "area_of_foreign_bus": (
        cell("areas", "bus", 0, 6),
        "area A1: bus is 6, allowed is a bus of this area",
    ),
    "negative_capacity": (
        cell("connections", "p_kw", 1, -25.0),
        "connection 2: p_kw is -25.0, allowed is a number not below 0",
    ),
    "connection_on_the_backbone": (
        cell("connections", "bus", 0, 1),
        "connection 1: bus is 1, allowed is a bus that belongs to an area",
    ),
    "slack_far_off": (
        lambda n: replace(n, slack_v_pu=0.5),
        "network two streets: slack_v_pu is 0.5, allowed is 0.8..1.2",
    ),
}


def test_a_sound_network_has_no_findings(two_streets: Network, district: Network) -> None:
    assert check_network(two_streets) == [] == check_network(district)


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_found_and_named(two_streets: Network, damage: str) -> None:
    change, sentence = DAMAGES[damage]
    assert [str(finding) for finding in check_network(change(two_streets))] == [sentence]


def test_all_damages_are_found_at_once(two_streets: Network) -> None:
    wrong = two_streets
    for name in ("line_without_rating", "bus_without_limit", "tap_out_of_range", "slack_far_off"):
        wrong = DAMAGES[name][0](wrong)
    assert [finding.element for finding in check_network(wrong)] == [
        "near1",
        "L1-2",
        "T1",
        "two streets",
    ]


def test_islands_wrong_voltages_and_missing_numbers_are_found_together(
    two_streets: Network,
) -> None:
    planted = {
        "zero_impedance": "L1-1",
        "line_without_rating": "L1-2",
        "transformer_without_rating": "T1",
        "transformer_at_wrong_voltage": "T2",
        "bus_without_limit": "near1",
        "slack_far_off": "two streets",
    }
    wrong = two_streets
    for name in planted:
        wrong = DAMAGES[name][0](wrong)
    wrong = cell("lines", "closed", 5, False)(cell("lines", "i_a_max", 3, np.nan)(wrong))
    found = check_network(wrong)
    expected = [DAMAGES[name][1] for name in planted] + [
        "line F2: i_a_max is nan, allowed is a number above 0",
        "bus far2: supply is none, allowed is joined with slack bus source",
    ]
    assert sorted(map(str, found)) == sorted(expected)
    with pytest.raises(GridError) as refused:
        PowerFlow(wrong)
    # Dark buses alone do not hinder a calculation, so they are not among its reasons.
    assert all(sentence in str(refused.value) for sentence in expected[:-1])


def test_a_wrong_end_hides_no_other_finding_but_the_dark_buses_that_nobody_can_tell(
    two_streets: Network,
) -> None:
    wrong = cell("lines", "to_bus", 1, 99)(cell("lines", "i_a_max", 2, 0.0)(two_streets))
    assert [finding.element for finding in check_network(wrong)] == ["L1-1", "L1-2"]


def test_a_network_split_in_two_names_every_dark_bus(two_streets: Network) -> None:
    split = cell("lines", "closed", 3, False)(two_streets)
    assert [finding.element for finding in check_network(split)] == ["mv2", "bar2", "near2", "far2"]
    assert findings_text(check_network(split), shown=1).endswith("... and 3 more")

"""What is wrong with a network, all at once, before any power flow is run on it.

Numbers must be finite (NaN is a missing one) and inside their ranges, positions must exist, a
line must join one voltage, a transformer must fit its buses, and every bus must have supply.
Comparisons are written so that NaN fails them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from grid_models.district import (
    BUS_KINDS,
    USES,
    BoolArray,
    Finding,
    FloatArray,
    GridError,
    IntArray,
    Network,
    findings_text,
)
from grid_models.topology import supplied_buses

ENDS = ("from_bus", "to_bus", "hv_bus", "lv_bus", "slack_bus")
V_FIT_FRAC = 0.2  # a transformer's rated voltage may differ by this much from its bus's


@dataclass(frozen=True, eq=False)
class Rule:
    """A column of one table and which of its rows are acceptable."""

    field: str
    values: FloatArray | IntArray | Sequence[str]
    good: BoolArray
    allowed: str


def check_network(network: Network) -> list[Finding]:
    """Everything that is wrong with a network; empty when power flows may rely on it."""
    findings = check_tables(network)
    # With wrong positions nobody can say what is connected with what.
    if any(finding.field in ENDS for finding in findings):
        return findings
    return findings + _dark_buses(network)


def require_calculable(network: Network) -> None:
    """Raise GridError for tables that nobody could calculate with; dark buses are no such case."""
    findings = check_tables(network)
    if findings:
        raise GridError(f"network {network.name}: {findings_text(findings)}")


def check_tables(network: Network) -> list[Finding]:
    """What is wrong with single rows, whatever is switched on."""
    ids = {
        "bus": network.buses.id,
        "line": network.lines.id,
        "transformer": network.transformers.id,
        "area": network.areas.id,
        "connection": tuple(str(row + 1) for row in range(len(network.connections.use))),
        "network": (network.name,),
    }
    rules = {
        "bus": _bus_rules(network),
        "line": _line_rules(network),
        "transformer": _transformer_rules(network),
        "area": _area_rules(network),
        "connection": _connection_rules(network),
        "network": _network_rules(network),
    }
    return [
        finding
        for table, checks in rules.items()
        for rule in (_unique(ids[table]), *checks)
        for finding in _broken(table, ids[table], rule)
    ]


def _broken(table: str, ids: Sequence[str], rule: Rule) -> Iterable[Finding]:
    for row in np.flatnonzero(~rule.good).tolist():
        yield Finding(table, ids[row], rule.field, str(rule.values[row]), rule.allowed)


def _unique(ids: Sequence[str]) -> Rule:
    first = {name: row for row, name in reversed(list(enumerate(ids)))}
    good = np.array([name != "" and first[name] == row for row, name in enumerate(ids)], np.bool_)
    return Rule("id", ids, good, "a name of its own")


def _above_zero(field: str, values: FloatArray | IntArray) -> Rule:
    return Rule(field, values, np.isfinite(values) & (values > 0), "a number above 0")


def _not_negative(field: str, values: FloatArray | IntArray) -> Rule:
    return Rule(field, values, np.isfinite(values) & (values >= 0), "a number not below 0")


def _position(field: str, values: IntArray, size: int, least: int = 0) -> Rule:
    return Rule(field, values, (values >= least) & (values < size), f"{least}..{size - 1}")


def _member(field: str, values: Sequence[str], allowed: Sequence[str]) -> Rule:
    good = np.array([value in allowed for value in values], dtype=np.bool_)
    return Rule(field, values, good, ", ".join(allowed))


def _bus_rules(network: Network) -> list[Rule]:
    buses, areas = network.buses, len(network.areas.id)
    band = (buses.v_min_pu > 0) & (buses.v_min_pu < buses.v_max_pu)
    return [
        _above_zero("vn_kv", buses.vn_kv),
        Rule("x_m", buses.x_m, np.isfinite(buses.x_m), "a number"),
        Rule("y_m", buses.y_m, np.isfinite(buses.y_m), "a number"),
        _position("area", buses.area, areas, least=-1),
        _member("kind", buses.kind, BUS_KINDS),
        _above_zero("v_max_pu", buses.v_max_pu),
        Rule("v_min_pu", buses.v_min_pu, band, "above 0 and below v_max_pu"),
    ]


def _line_rules(network: Network) -> list[Rule]:
    lines, buses = network.lines, len(network.buses.id)
    ends = [_position("from_bus", lines.from_bus, buses), _position("to_bus", lines.to_bus, buses)]
    ohm = np.hypot(lines.r_ohm_per_km, lines.x_ohm_per_km) * lines.length_km
    rules = [
        *ends,
        Rule("to_bus", lines.to_bus, lines.to_bus != lines.from_bus, "another bus than from_bus"),
        _above_zero("length_km", lines.length_km),
        _not_negative("r_ohm_per_km", lines.r_ohm_per_km),
        Rule("x_ohm_per_km", ohm, np.isfinite(ohm) & (ohm > 0), "an impedance above 0"),
        _not_negative("c_nf_per_km", lines.c_nf_per_km),
        _above_zero("i_a_max", lines.i_a_max),
        Rule("parallel", lines.parallel, lines.parallel >= 1, "at least 1"),
    ]
    if all(end.good.all() for end in ends):
        near_kv, far_kv = network.buses.vn_kv[lines.from_bus], network.buses.vn_kv[lines.to_bus]
        rules.append(Rule("vn_kv", far_kv, near_kv == far_kv, "one voltage at both ends"))
    return rules


def _transformer_rules(network: Network) -> list[Rule]:
    table, buses = network.transformers, len(network.buses.id)
    ends = [_position("hv_bus", table.hv_bus, buses), _position("lv_bus", table.lv_bus, buses)]
    short = (table.vkr_frac >= 0) & (table.vkr_frac <= table.vk_frac)
    tap = (table.tap_pos >= table.tap_min) & (table.tap_pos <= table.tap_max)
    rules = [
        *ends,
        Rule("lv_bus", table.lv_bus, table.lv_bus != table.hv_bus, "another bus than hv_bus"),
        _above_zero("s_kva", table.s_kva),
        _above_zero("vk_frac", table.vk_frac),
        Rule("vkr_frac", table.vkr_frac, short, "0..vk_frac"),
        _not_negative("pfe_kw", table.pfe_kw),
        _not_negative("i0_frac", table.i0_frac),
        Rule("tap_pos", table.tap_pos, tap, "tap_min..tap_max"),
        _not_negative("tap_step_frac", table.tap_step_frac),
        _position("area", table.area, len(network.areas.id), least=-1),
    ]
    if all(end.good.all() for end in ends):
        vn_kv = network.buses.vn_kv
        rules.append(_fits("vn_hv_kv", table.vn_hv_kv, vn_kv[table.hv_bus]))
        rules.append(_fits("vn_lv_kv", table.vn_lv_kv, vn_kv[table.lv_bus]))
    return rules


def _fits(field: str, rated_kv: FloatArray, bus_kv: FloatArray) -> Rule:
    good = np.abs(rated_kv / bus_kv - 1) <= V_FIT_FRAC
    return Rule(field, rated_kv, good, f"within {V_FIT_FRAC:.0%} of its bus's vn_kv")


def _area_rules(network: Network) -> list[Rule]:
    areas, buses = network.areas, len(network.buses.id)
    known = (areas.bus >= 0) & (areas.bus < buses)
    own = np.zeros(len(areas.id), dtype=bool)
    own[known] = network.buses.area[areas.bus[known]] == np.flatnonzero(known)
    return [
        _position("zone", areas.zone, len(network.zones)),
        _position("bus", areas.bus, buses),
        Rule("bus", areas.bus, own | ~known, "a bus of this area"),
        _position("transformer", areas.transformer, len(network.transformers.id), least=-1),
    ]


def _connection_rules(network: Network) -> list[Rule]:
    table, buses = network.connections, len(network.buses.id)
    known = (table.bus >= 0) & (table.bus < buses)
    inside = np.ones(len(table.bus), dtype=bool)
    inside[known] = network.buses.area[table.bus[known]] >= 0
    return [
        _position("bus", table.bus, buses),
        Rule("bus", table.bus, inside, "a bus that belongs to an area"),
        _member("use", table.use, USES),
        _not_negative("homes", table.homes),
        _not_negative("floor_m2", table.floor_m2),
        _not_negative("count", table.count),
        _not_negative("p_kw", table.p_kw),
    ]


def _network_rules(network: Network) -> list[Rule]:
    held = np.array([network.slack_v_pu])
    return [
        _position("slack_bus", np.array([network.slack_bus]), len(network.buses.id)),
        Rule("slack_v_pu", held, (held >= 0.8) & (held <= 1.2), "0.8..1.2"),
        _above_zero("f_hz", np.array([network.f_hz])),
    ]


def _dark_buses(network: Network) -> list[Finding]:
    """Buses that no closed line or transformer joins with the slack bus."""
    slack = network.buses.id[network.slack_bus]
    allowed = f"joined with slack bus {slack}"
    dark = np.flatnonzero(~supplied_buses(network))
    return [Finding("bus", network.buses.id[row], "supply", "none", allowed) for row in dark]

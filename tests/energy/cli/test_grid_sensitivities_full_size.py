"""What first derivatives promise at full size: every area of sejong-5-1 draws ten per cent more or
less at each of its buses, in the evening peak and on a sunny noon, and an AC flow says what comes.

A state is foretold within one per cent of itself. A current below two per cent of its rating is
mostly charging current and counts against the rating, a voltage by how far it is from 1 pu. The
change of the losses alone may be flat at one point and is held to a share of the step instead.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from energy.district import District, load_district
from energy.district.sums import LoadCase, load_cases
from grid_models import BusShare, FlowResult, PowerFlow, build_sensitivities

STEP_FRAC = 0.1
STATE_ERROR_MAX = 0.01
LOSS_PER_STEP_MAX = 0.002
SMALL_KW = 5.0  # areas that draw less in a case have no ten per cent worth the name
SMALL_LOADING = 0.02


@dataclass(frozen=True, eq=False)
class Foretold:
    """States after a step, from derivatives alone."""

    line: np.ndarray
    transformer: np.ndarray
    v_pu: np.ndarray
    loss_kw: float


@pytest.fixture(scope="module")
def district() -> District:
    return load_district("sejong-5-1")


def errors(told: Foretold, after: FlowResult) -> dict[str, float]:
    """Largest error of each kind of state, as a share of the state."""
    line, unit = after.line_loading_frac, after.transformer_loading_frac
    return {
        "line": float((np.abs(told.line - line) / np.maximum(line, SMALL_LOADING)).max()),
        "transformer": float(
            (np.abs(told.transformer - unit) / np.maximum(unit, SMALL_LOADING)).max()
        ),
        "voltage": float(np.abs(told.v_pu - after.v_pu).max() / np.abs(after.v_pu - 1).max()),
        "loss": abs(told.loss_kw / after.p_loss_kw - 1),
    }


@pytest.mark.parametrize("number", [0, 1], ids=["evening peak", "sunny noon"])
def test_ten_per_cent_of_any_area_is_foretold_within_one_per_cent(
    district: District, number: int
) -> None:
    case: LoadCase = load_cases(district)[number]
    network, power_flow = district.network, PowerFlow(district.network)
    flow = power_flow.run(case.p_kw, case.q_kvar)
    area_of_bus = network.buses.area
    bus = np.flatnonzero(area_of_bus >= 0)
    area_kw = np.bincount(area_of_bus[bus], case.p_kw[bus], len(network.areas.id))
    bus = bus[np.abs(area_kw[area_of_bus[bus]]) > SMALL_KW]
    # Every bus of an area in proportion to what it draws itself.
    share = BusShare(bus, area_of_bus[bus], case.p_kw[bus] / area_kw[area_of_bus[bus]])
    moves = build_sensitivities(network, flow, share)
    tried = np.unique(share.area)
    assert len(tried) > 120
    for area in tried:
        for sign in (1, -1):
            step_kw = sign * STEP_FRAC * area_kw[area]
            p_kw = case.p_kw * (1 + sign * STEP_FRAC * (area_of_bus == area))
            after = power_flow.run(p_kw, case.q_kvar)
            told = Foretold(
                flow.line_loading_frac + step_kw * moves.line_loading_per_kw[:, area],
                flow.transformer_loading_frac + step_kw * moves.transformer_loading_per_kw[:, area],
                flow.v_pu + step_kw * moves.v_pu_per_kw[:, area],
                flow.p_loss_kw + step_kw * moves.loss_per_kw[area],
            )
            found = errors(told, after)
            assert max(found.values()) < STATE_ERROR_MAX, (network.areas.id[area], sign, found)
            loss_gap_kw = abs(told.loss_kw - after.p_loss_kw)
            assert loss_gap_kw < LOSS_PER_STEP_MAX * abs(step_kw)

"""Networks for the grid's tests: small enough for paper, and a district at a twentieth."""

from collections.abc import Callable

import pytest

from grid_models import NO_AREA, Network, StreetPlan, build_street_plan
from grid_models.draft import Cable, Draft

LV_CABLE = Cable(r_ohm_per_km=0.2, x_ohm_per_km=0.08, c_nf_per_km=0.0, i_a_max=200.0)
MV_CABLE = Cable(r_ohm_per_km=0.1, x_ohm_per_km=0.12, c_nf_per_km=250.0, i_a_max=400.0)
BAND = (0.94, 1.06)


@pytest.fixture(scope="session")
def district() -> Network:
    """Sejong 5-1 at a twentieth: 7 areas on one feeder."""
    return build_street_plan(StreetPlan(fraction=0.05))


@pytest.fixture
def one_cable() -> Network:
    """A 0.4 kV source and one bus behind 100 m of cable (0.02 + j 0.008 ohm, 200 A)."""
    draft = Draft()
    draft.add_bus(("source", 0.4, 0.0, 0.0, NO_AREA, "lv_busbar", *BAND))
    draft.add_bus(("end", 0.4, 100.0, 0.0, 0, "lv", *BAND))
    draft.add_line("cable", (0, 1), LV_CABLE, length_m=100)
    draft.areas.append(("A1", 0, 1, -1))
    return draft.network("one cable", ("Z1",), slack_bus=0, slack_v_pu=1.0)


@pytest.fixture
def two_streets() -> Network:
    """22.9 kV source, two transformers of 200 kVA, one street of two buses under each, a tie."""
    draft = Draft()
    draft.add_bus(("source", 22.9, 0.0, 0.0, NO_AREA, "mv", *BAND))
    for area in range(2):
        x_m = 500.0 * (area + 1)
        mv = draft.add_bus((f"mv{area + 1}", 22.9, x_m, 0.0, NO_AREA, "mv", *BAND))
        busbar = draft.add_bus((f"bar{area + 1}", 0.4, x_m, 0.0, area, "lv_busbar", *BAND))
        near = draft.add_bus((f"near{area + 1}", 0.4, x_m, 150.0, area, "lv", *BAND))
        far = draft.add_bus((f"far{area + 1}", 0.4, x_m, 400.0, area, "lv", *BAND))
        draft.add_line(f"F{area + 1}", (0, mv), MV_CABLE, length_m=500.0)
        draft.add_line(f"L{area + 1}-1", (busbar, near), LV_CABLE, length_m=150)
        draft.add_line(f"L{area + 1}-2", (near, far), LV_CABLE, length_m=250)
        ratings = (200.0, 22.9, 0.4, 0.045, 0.011, 0.3, 0.005, 0, -2, 2, 0.025)
        draft.transformers.append((f"T{area + 1}", mv, busbar, *ratings, area))
        draft.areas.append((f"A{area + 1}", area, busbar, area))
    draft.add_line("TIE", (1, 5), MV_CABLE, length_m=600, closed=False)
    draft.connections.append((3, "apartment", 30, 2500.0, 30, 60.0, "tower"))
    draft.connections.append((8, "detached", 10, 1100.0, 10, 25.0, ""))
    return draft.network("two streets", ("Z1", "Z2"), slack_bus=0, slack_v_pu=1.0)


@pytest.fixture
def bus_of() -> Callable[[Network, str], int]:
    """Position of a bus by its id."""

    def find(network: Network, name: str) -> int:
        return network.buses.id.index(name)

    return find

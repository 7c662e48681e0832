"""What a forecast says: quantiles with their tier, the cars' energy envelope, the whole district.

Q = 7 quantiles in the order of QUANTILES, H slots of the horizon, A areas, G charger groups, F
groups of units. Powers are means over a slot in kW. Nothing is NaN, quantiles never cross.

Tiers, best first: F0 fitted on enough history with fresh inputs; F3 slot quantiles of the last 28
days only; F4 class default, wide. The reason says in words why a tier was not better.
"""

from dataclasses import dataclass, field
from typing import Literal

from energy.forecast.inputs import FloatArray, IntArray

Tier = Literal["F0", "F1", "F2", "F3", "F4"]


@dataclass(frozen=True, eq=False)
class Quantiles:
    """Quantiles of one quantity: per area and, modelled on the sum, of the district.

    area_kw (Q, H, A); district_kw (Q, H). The district is no sum of the areas' quantiles. A
    quantity of the district alone has A = 0.
    """

    area_kw: FloatArray
    district_kw: FloatArray
    tier: Tier
    reason: str = ""


@dataclass(frozen=True, eq=False)
class EvForecast:
    """Energy envelope of car charging, per charger group; every array (G, H) unless said.

    e_min_kwh, e_max_kwh: bounds of the energy gone INTO the cars' batteries since the start of the
    first slot, cumulative at the END of each slot, discharge counted off (with V2G e_min_kwh may
    be negative). p_charge_kw_max, p_discharge_kw_max: at the meter, never negative.
    uncontrolled_kw: at the meter if every car charged at once. expected_arrivals: cars per slot.
    One energy into the battery is `eta` at the meter when charging, `1 / eta` when discharging.

    short_car (n,), short_kwh (n,): connected cars whose promise is out of reach, and by how much;
    the envelope holds what is possible.
    """

    e_min_kwh: FloatArray
    e_max_kwh: FloatArray
    p_charge_kw_max: FloatArray
    p_discharge_kw_max: FloatArray
    uncontrolled_kw: FloatArray
    expected_arrivals: FloatArray
    short_car: IntArray
    short_kwh: FloatArray
    tier: Tier = "F0"
    reason: str = ""


@dataclass(frozen=True, eq=False)
class DistrictForecast:
    """All that the plan needs to know of the coming slots.

    issue_slot: last slot boundary at or before the issue; first_slot = slots[0]; slots (H,).
    load_kw, pv_kw (Q, H, A); load_district_kw, pv_district_kw, heat_kw (Q, H); temperature_c and
    cloud_frac (H,); units_available (F, H) expected number of units able to run; ev per charger
    group; price_krw_per_kwh (Q, H) of the auctions, None where none are held. `tier` and `reason`
    by quantity: load, pv, heat, ev, units, weather, price.
    """

    issue_slot: int
    first_slot: int
    slots: IntArray
    load_kw: FloatArray
    pv_kw: FloatArray
    load_district_kw: FloatArray
    pv_district_kw: FloatArray
    heat_kw: FloatArray
    temperature_c: FloatArray
    cloud_frac: FloatArray
    units_available: FloatArray
    ev: EvForecast
    tier: dict[str, Tier] = field(default_factory=dict)
    reason: dict[str, str] = field(default_factory=dict)
    price_krw_per_kwh: FloatArray | None = None

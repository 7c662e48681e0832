"""What energy costs and earns at the connection over a run of slots, and what its peak costs."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.steps.accounting import SlotPrices, StockPrices, Terms
from energy.tariffs import load_tariff, peak_counts, prices_krw_per_kwh, slot_calendars
from energy.timegrid import local_calendar, local_month_start
from energy.units import SLOT_S
from market.tariff import SeasonalTable, Tariff

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ConnectionPrices:
    """Prices at the connection over H slots, won per kWh, and the demand charge in won per kW.

    `peak_counts` marks the slots whose import can raise the billed peak.
    """

    buy_krw_per_kwh: FloatArray
    sell_krw_per_kwh: FloatArray
    peak_counts: npt.NDArray[np.bool_]
    demand_charge_krw_per_kw: float
    peak_floor_kw: float

    def at(self, row: int) -> SlotPrices:
        """The prices of one of the slots."""
        return SlotPrices(
            buy_krw_per_kwh=float(self.buy_krw_per_kwh[row]),
            sell_krw_per_kwh=float(self.sell_krw_per_kwh[row]),
            peak_counts=bool(self.peak_counts[row]),
        )


def connection_prices(district: District, slots: IntArray) -> ConnectionPrices:
    """Prices of the district's own tariff and the market price for what it exports."""
    tariff = connection_tariff(district, int(slots[0]))
    calendars = slot_calendars(slots, district.time_zone)
    table = tariff.table
    seasonal = table if isinstance(table, SeasonalTable) else None
    floor_ppm = seasonal.demand.floor_ppm if seasonal and not seasonal.demand.on_contract else 0
    return ConnectionPrices(
        buy_krw_per_kwh=prices_krw_per_kwh(tariff, calendars),
        sell_krw_per_kwh=smp_krw_per_kwh(district, slots),
        peak_counts=peak_counts(tariff, calendars),
        demand_charge_krw_per_kw=float(seasonal.basic_krw_per_kw) if seasonal else 0.0,
        peak_floor_kw=district.connection.p_import_kw_max * floor_ppm / 1e6,
    )


def end_value_krw_per_kwh(prices: ConnectionPrices) -> float:
    """Worth of a kWh that is still stored at the end: the cheaper half of the buying prices.

    With the mean, a store would be kept full for a price that never comes; with nothing it would
    be emptied every evening.
    """
    return float(np.quantile(prices.buy_krw_per_kwh, 0.25))


def stock_prices(district: District, prices: ConnectionPrices) -> StockPrices:
    """Worth of what a run leaves in stock: electricity at the price of the cheaper hours, for it is
    in them that stores and cars are filled up; heat at what the boiler would burn for it.
    """
    heat = district.heat
    return StockPrices(
        refill_krw_per_kwh=end_value_krw_per_kwh(prices),
        heat_krw_per_kwh=heat.fuel_price_krw_per_kwh / heat.boiler_eta if heat else 0.0,
    )


def run_terms(district: District, slots: IntArray, counted: int | None = None) -> Terms:
    """How a run of slots in one month is charged beside them; of its first `counted`, else all."""
    prices = connection_prices(district, slots)
    run = len(slots) if counted is None else counted
    return Terms(
        charge_krw_per_kw=prices.demand_charge_krw_per_kw,
        month_share=month_share(int(slots[0]), run, district.time_zone),
        peak_incurred_kw=prices.peak_floor_kw,
        stock=stock_prices(district, prices),
    )


def connection_tariff(district: District, slot: int) -> Tariff:
    """The tariff of the connection on the local day of a slot."""
    day = datetime.fromtimestamp(slot, ZoneInfo(district.time_zone)).date()
    return load_tariff(district.connection.tariff, day, or_first=True)


def smp_krw_per_kwh(district: District, slots: IntArray) -> FloatArray:
    """System marginal price of each slot: the year's mean in its shape over the day."""
    hour = local_calendar(slots, district.time_zone).hour.astype(np.int64)
    shape = np.asarray(district.economics.smp_shape)
    return district.economics.smp_krw_per_kwh * shape[hour]


def beyond_tariff_krw_per_kwh(district: District) -> float:
    """What the plan adds to the price of a kWh from the grid: its emissions, and that it was not
    made here.
    """
    economics = district.economics
    carbon = economics.carbon_krw_per_t * economics.grid_co2_t_per_mwh / 1000
    return carbon + economics.own_supply_krw_per_kwh


def month_share(slot: int, slots: int, time_zone: str) -> float:
    """Part of the local month of `slot` that a run of so many slots is, at most 1."""
    first = local_month_start(slot, time_zone)
    end = local_month_start(slot, time_zone, months_on=1)
    return min(slots * SLOT_S / (end - first), 1.0)

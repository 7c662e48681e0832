"""The schema of `district.toml`: tables, keys and ranges; unknown keys are refused."""

import tomllib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from energy.district.model import DistrictError

NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Changes = Mapping[str, Any]
Curve = Annotated[list[tuple[NonNegative, NonNegative]], Field(min_length=2)]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("a name of the IANA time zone database, such as Asia/Seoul")
    return name


class Table(BaseModel):
    """A table of the file; keys that are not known are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Demand(Table):
    """Electric demand by use, kWh a year."""

    home_kwh: Positive
    all_electric_extra_kwh: NonNegative
    all_electric_frac: Share
    office_kwh_per_m2: NonNegative
    retail_kwh_per_m2: NonNegative
    school_kwh_per_m2: NonNegative
    public_kwh_per_m2: NonNegative
    business_fuel_kwh_per_m2: NonNegative = 0.0
    data_centre_load_frac: Share
    street_lighting_h: NonNegative


class Trading(Table):
    """Who takes part in the market."""

    traders: Count
    network_fee_krw_per_kwh: NonNegative = 0.0
    local_fee_krw_per_kwh: NonNegative = 0.0


class Pv(Table):
    """Solar by surface."""

    total_kwp: NonNegative
    detached_kwp: NonNegative
    detached_frac: Share
    apartment_kwp: NonNegative
    apartment_frac: Share
    business_kwp_per_m2: NonNegative
    canopy_frac: Share
    tunnel_frac: Share
    facade_frac: Share
    inverter_frac: Positive


class BatteryTable(Table):
    """Community and home batteries."""

    community_h: Positive
    homes: Count
    home_kw: NonNegative
    home_kwh: NonNegative
    eta_charge: Annotated[float, Field(gt=0, le=1)]
    eta_discharge: Annotated[float, Field(gt=0, le=1)]
    wear_krw_per_kwh: NonNegative
    reserve_frac: Share


class InverterTable(Table):
    """Reactive power of solar and batteries: a fixed power factor, or Q(U); see model.Inverters."""

    mode: Literal["fixed", "droop"] = "fixed"
    power_factor: Annotated[float, Field(ge=-1, le=1)] = 1.0
    power_factor_min: Annotated[float, Field(gt=0, le=1)] = 0.9
    droop_v_pu: tuple[Positive, Positive, Positive, Positive] = (0.93, 0.97, 1.03, 1.07)

    @model_validator(mode="after")
    def _one_curve(self) -> Self:
        """A power factor that the least one allows, and voltages that rise."""
        if abs(self.power_factor) < self.power_factor_min:
            raise ValueError("a power_factor of at least power_factor_min, drawing or giving (-)")
        if any(b <= a for a, b in pairwise(self.droop_v_pu)):
            raise ValueError("rising droop_v_pu")
        return self


class ChargerTable(Table):
    """Charging points and how they are used."""

    standard_v2g: Count
    p_v2g_kw: NonNegative
    standard_cars_per_day: NonNegative
    quick_cars_per_day: NonNegative
    super_fast_cars_per_day: NonNegative
    eta: Annotated[float, Field(gt=0, le=1)]
    wear_krw_per_kwh: NonNegative


class FuelCells(Table):
    """One fuel-cell unit."""

    p_kw_min: NonNegative
    fuel: Curve
    heat: Curve
    ramp_kw_per_slot: Positive
    min_up_slots: Count
    min_down_slots: Count
    start_cost_krw: NonNegative
    wear_krw_per_h: NonNegative
    fuel_price_krw_per_kwh: NonNegative
    fuel_co2_t_per_mwh: NonNegative
    mtbf_h: Positive
    mttr_h: Positive

    @model_validator(mode="after")
    def _curves_fit(self) -> Self:
        """Both curves begin at the least power, rise to the same rated power, fuel convexly."""
        for name, curve in (("fuel", self.fuel), ("heat", self.heat)):
            powers = [power for power, _ in curve]
            if powers[0] != self.p_kw_min or powers[-1] != self.fuel[-1][0]:
                raise ValueError(f"{name} from p_kw_min to the same rated power")
            if any(b <= a for a, b in pairwise(powers)):
                raise ValueError(f"{name} with rising power")
        slopes = [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(self.fuel)]
        if any(b < a for a, b in pairwise(slopes)):
            raise ValueError("fuel with rising slope, for the plan is a linear program")
        return self


class Biogas(Table):
    """The biogas unit and its gas."""

    p_kw: NonNegative
    p_kw_min: NonNegative
    electric_efficiency: Annotated[float, Field(gt=0, le=1)]
    heat_efficiency: Share
    daily_fuel_kwh: NonNegative
    fuel_store_kwh: NonNegative
    start_cost_krw: NonNegative
    mtbf_h: Positive
    mttr_h: Positive


class Heat(Table):
    """The heat network."""

    annual_demand_kwh: NonNegative
    peak_kw: NonNegative
    store_kwh: NonNegative
    store_kw: NonNegative
    loss_frac_per_h: Share
    boiler_kw: NonNegative
    boiler_eta: Annotated[float, Field(gt=0, le=1)]
    fuel_price_krw_per_kwh: NonNegative
    fuel_co2_t_per_mwh: NonNegative
    heat_pump_kw: NonNegative
    cop_temperature_c: list[float]
    cop: list[Positive]

    @model_validator(mode="after")
    def _cop_fits(self) -> Self:
        """One cop per temperature, and temperatures that rise."""
        if not self.cop or len(self.cop) != len(self.cop_temperature_c):
            raise ValueError("as many values of cop as of cop_temperature_c, at least one")
        if any(b <= a for a, b in pairwise(self.cop_temperature_c)):
            raise ValueError("rising cop_temperature_c")
        return self


class Connection(Table):
    """The connection to the utility."""

    p_import_kw_max: Positive
    p_export_kw_max: NonNegative
    tariff: str


class EconomicsTable(Table):
    """Prices outside the tariffs."""

    smp_krw_per_kwh: float
    smp_shape: Annotated[list[float], Field(min_length=24, max_length=24)]
    carbon_krw_per_t: NonNegative
    grid_co2_t_per_mwh: NonNegative
    shed_krw_per_kwh: NonNegative
    curtail_krw_per_kwh: NonNegative
    own_supply_krw_per_kwh: NonNegative = 0.0


class DistrictFile(Table):
    """The whole file."""

    id: Name
    name_en: Name
    name_ko: Name
    time_zone: Annotated[str, AfterValidator(_known_zone)]
    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]
    altitude_m: float
    seed: Count
    streets: dict[str, int | float | str] = Field(default_factory=dict)
    demand: Demand
    trading: Trading
    pv: Pv
    batteries: BatteryTable
    inverters: InverterTable = InverterTable()
    chargers: ChargerTable
    fuel_cells: FuelCells
    biogas: Biogas
    heat: Heat
    connection: Connection
    economics: EconomicsTable


def read_district_file(path: Path, changes: Changes | None = None) -> DistrictFile:
    """The checked content of a `district.toml`; raises DistrictError naming the first bad key.

    `changes` are tables and keys of the same file that stand in place of what is written there.
    """
    try:
        content = merged(tomllib.loads(path.read_text(encoding="utf-8")), changes or {})
    except OSError as error:
        raise DistrictError(f"{path}: not readable ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DistrictError(f"{path}: no valid TOML, {error}") from error
    try:
        return DistrictFile.model_validate(content)
    except ValidationError as error:
        raise DistrictError(f"{path}: {_sentence(error)}") from error


def merged(content: Changes, changes: Changes) -> dict[str, Any]:
    """The content with the changes in it; tables are merged, anything else is replaced."""
    found = dict(content)
    for key, value in changes.items():
        before = found.get(key)
        both = isinstance(value, Mapping) and isinstance(before, Mapping)
        found[key] = merged(before, value) if both else value  # type: ignore[arg-type]
    return found


def _sentence(error: ValidationError) -> str:
    """The first thing that is wrong: field, found, allowed; and how many more there are."""
    first, count = error.errors()[0], error.error_count()
    # Of a value that may be of several types, the place names the first of them too.
    parts = [str(part) for part in first["loc"] if part not in ("int", "float", "str")]
    where = ".".join(parts) or "the file"
    found = first["input"] if first["type"] != "missing" else "nothing"
    if isinstance(found, dict | list):
        found = "values that do not fit together" if first["type"] == "value_error" else "a table"
    allowed = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if first["type"] == "extra_forbidden":
        found, allowed = "a key that is not known", "those of data/districts/sejong-5-1"
    more = f" ({count - 1} more findings)" if count > 1 else ""
    return f"field {where}: found {found}, allowed: {allowed}{more}"

"""How good the forecasts of measured series are: every open series that a folder holds, replayed.

    python benchmarks/forecast.py FOLDER [--only TEXT] [--markdown]

The folder holds the open files that docs/forecast.md names; a file that is absent is passed over.
Each series goes through the reader, the fit and the forecast of `microgrid backtest`, with the
clock, the unit and the faults of its own file handled here and nowhere else.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from energy.backtest import Replay, ReplayPlan, read_series, read_weather, replay_node, score_table
from energy.backtest.place import site_of
from energy.backtest.scores import Score
from energy.forecast.node import Kind, NodeRecord, NodeSpec

Pick = Callable[[pd.DataFrame], pd.DataFrame]
SUBSTATIONS = ("HAL", "HFDP", "LLS", "MNZL", "NRYN", "OWD", "WEW", "WHF", "WLS", "WWF")
SOUND_HOMES = (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 13, 16, 17)
LEADS_H = ("0-1", "1-4", "4-12", "12-24", "24-48")


@dataclass(frozen=True)
class Case:
    """One series: its file, how its columns `time` and `kw` are taken from it, and how it is read.

    `weather`: the file's own weather columns may be used. An issue every `every_h` hours.
    """

    name: str
    file: str
    pick: Pick
    kind: Kind
    zone: str
    weather: bool = False
    every_h: int = 23
    refit_days: int = 28


def columns(time: str, value: str, factor: float = 1.0) -> Pick:
    """The file's own columns of time and power, in kW."""
    return lambda table: pd.DataFrame({"time": table[time], "kw": table[value] * factor})


def of_feeder(table: pd.DataFrame) -> pd.DataFrame:
    """A feeder's net load and the weather of its place."""
    kept = ["temp", "radiation", "clouds", "windspeed_100m", "humidity"]
    return columns("index", "load", 1000.0)(table).join(table[kept])


def of_price(table: pd.DataFrame) -> pd.DataFrame:
    """The Dutch day-ahead price of each hour, EUR/MWh, as long as the file has it.

    The file repeats it in every quarter; scored so, the newest hour would be known before it ends.
    """
    kept = ["temp", "radiation", "clouds", "windspeed_100m", "humidity"]
    found = columns("index", "APX")(table).join(table[kept])
    on_the_hour = found["time"].str.slice(14, 16) == "00"
    return found[on_the_hour & found["kw"].notna()]


def of_substation(station: str, value: str, factor: float) -> Pick:
    """One of ten substations; generation is negative in the file.

    The stamps say UTC, but the sun stands highest at 13.5 to 13.9 h: they are summer wall time.
    """

    def pick(table: pd.DataFrame) -> pd.DataFrame:
        own = table[table["station"] == station].reset_index(drop=True)
        own["datetime"] = own["datetime"].str.slice(0, 19)
        return columns("datetime", value, 1000.0 * factor)(own)

    return pick


def of_ausgrid(column: str) -> Pick:
    """Sydney's wall clock; the two days on which it changes are left out."""

    def pick(table: pd.DataFrame) -> pd.DataFrame:
        found = columns(str(table.columns[0]), column)(table)
        day = found["time"].str.slice(0, 10)
        return found[~day.isin(["2011-10-02", "2012-04-01"])]

    return pick


def of_emhass_sun(table: pd.DataFrame) -> pd.DataFrame:
    """A meter that says nothing at night."""
    return columns("time", "sensor.power_photovoltaics", 0.001)(table)


def of_homes(numbers: tuple[int, ...], what: str, factor: float) -> Pick:
    """Californian homes on their wall clock: the first row is Sunday, 31 July 2016, hour 24."""

    def pick(table: pd.DataFrame) -> pd.DataFrame:
        first = pd.Timestamp("2016-07-31 23:00")
        time = (first + pd.to_timedelta(table["row"].to_numpy(), "h")).astype(str)
        total = sum(table[f"{what}_{number}"] for number in numbers) * factor
        return pd.DataFrame({"time": time, "kw": total})

    return pick


def cases() -> Iterator[Case]:
    """All series that are scored."""
    homes = "citylearn2022_17homes_hourly.csv.gz"
    for number in (287, 307, 435, 438):
        file = f"openstef_pid{number}_15min.csv.gz"
        name = f"OpenSTEF feeder {number}, weather"
        yield Case(name, file, of_feeder, "load", "Europe/Amsterdam", True, 11, 14)
    file, zone = "openstef_pid287_15min.csv.gz", "Europe/Amsterdam"
    yield Case("Dutch day-ahead price", file, of_price, "price", zone, False, 11, 14)
    yield Case("Dutch day-ahead price, weather", file, of_price, "price", zone, True, 11, 14)
    los_angeles = "America/Los_Angeles"
    summed = of_homes(SOUND_HOMES, "load", 1.0)
    yield Case("CityLearn, 13 sound homes summed", homes, summed, "load", los_angeles)
    yield Case("CityLearn, home 1", homes, of_homes((1,), "load", 1.0), "load", los_angeles)
    home = "ausgrid_customer12_30min.csv.gz"
    yield Case("Ausgrid home 12, load", home, of_ausgrid("GC"), "load", "Australia/Sydney")
    house = "emhass_household_30min_w.csv.gz"
    used = columns("time", "sensor.power_load_no_var_loads", 0.001)
    yield Case("EMHASS home, load", house, used, "load", "Europe/Paris")
    yield Case("Ausgrid home 12, solar", home, of_ausgrid("GG"), "pv", "Australia/Sydney")
    yield Case("EMHASS home, solar", house, of_emhass_sun, "pv", "Europe/Paris")
    yield Case("CityLearn, solar 1", homes, of_homes((1,), "pv", 0.001), "pv", los_angeles)
    file, zone = "openstef_10substations_components_15min.csv.gz", "Europe/Amsterdam"
    for station in SUBSTATIONS:
        pick = of_substation(station, "total_substation", 1.0)
        yield Case(f"Substation {station}, net load", file, pick, "load", zone, False, 11, 2)
    for station in ("HFDP", "OWD", "WHF"):
        pick = of_substation(station, "total_solar_part", -1.0)
        yield Case(f"Substation {station}, solar part", file, pick, "pv", zone, False, 11, 2)


def replay(case: Case, folder: Path) -> Replay | None:
    """The series replayed, None where its file is absent."""
    source = folder / case.file
    if not source.is_file():
        return None
    site = site_of(case.zone, None, None)
    with tempfile.TemporaryDirectory(prefix="microgrid-") as place:
        path = Path(place) / "series.csv"
        case.pick(pd.read_csv(source)).to_csv(path, index=False)
        reading = read_series(path, case.kind, case.zone, column="kw", unit="kW")
        weather = read_weather(path, case.zone, reading.slot)[0] if case.weather else {}
    spec = NodeSpec(case.kind, site, None, reading.step_slots)
    record = NodeRecord(reading.slot, reading.p_kw, weather)
    plan = ReplayPlan(every_h=case.every_h, refit_days=case.refit_days)
    return replay_node(case.name, spec, record, plan, lambda _done, _total: None)


def rows(name: str, issues: int, scores: dict[str, Score]) -> tuple[str, str]:
    """The two rows of a series: day ahead, and the shares inside the bands."""
    ahead, whole = scores["12-36"], scores["0-48"]
    skills = (
        f"{one:.3f} ({low:.3f} to {high:.3f})"
        for one, low, high in (
            (ahead.skill_persistence, ahead.skill_persistence_low, ahead.skill_persistence_high),
            (ahead.skill_climatology, ahead.skill_climatology_low, ahead.skill_climatology_high),
        )
    )
    first = [f"{issues}", f"{ahead.crps:.4f}", f"{ahead.rcrps:.4f}", f"{ahead.nmae:.3f}", *skills]
    covers = (whole.cover_50, whole.cover_80, whole.cover_90)
    second = [
        *(f"{100 * share:.1f}" for share in covers),
        f"{100 * whole.climatology_cover_80:.0f}",
        *(f"{100 * scores[lead].cover_80:.0f}" for lead in LEADS_H if lead in scores),
    ]
    return tuple(f"| {' | '.join([name, *cells])} |" for cells in (first, second))  # type: ignore[return-value]


def main() -> None:
    """Replay what is there and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="only series whose name holds this text")
    asked = parser.parse_args()
    ahead, bands = [], []
    for case in cases():
        if asked.only.lower() not in case.name.lower():
            continue
        found = replay(case, asked.folder)
        if found is None:
            print(f"{case.name}: {case.file} is absent", file=sys.stderr)
            continue
        scores = {score.leads_h: score for score in score_table(found)}
        first, second = rows(case.name, len(found.issue), scores)
        ahead.append(first)
        bands.append(second)
        print(first, second, sep="\n", file=sys.stderr, flush=True)
    print("| series | issues | CRPS | rCRPS | nMAE | skill, persistence | skill, climatology |")
    print("|---|---|---|---|---|---|---|", *ahead, sep="\n")
    heads = ["series", "50 %", "80 %", "90 %", "climatology's 80 %", *LEADS_H]
    print(f"\n| {' | '.join(heads)} |")
    print("|---|---|---|---|---|---|---|---|---|---|", *bands, sep="\n")


if __name__ == "__main__":
    main()

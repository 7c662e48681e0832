"""A study: districts, scenarios and draws through a year, and what all of it comes to."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distributed import Client

import data
from energy.district import load_district
from energy.study.chargers import size_chargers
from energy.study.chunk import Chunk, Told
from energy.study.collected import Part
from energy.study.errors import StudyError
from energy.study.events import month_slots
from energy.study.figures import Year, build_year
from energy.study.run import run_chunks
from energy.study.scenario import Scenario, scenario_district
from energy.timegrid import local_month_start, parse_instant
from energy.units import SLOT_S, SLOTS_PER_DAY

YEARS = (1971, 2099)
DATA, DATA_SUFFIXES = ("profiles", "tariffs", "weather"), (".toml", ".csv")


@dataclass(frozen=True)
class Study:
    """What to study: `months` first and last of the year, both included; `draws` seeds from `seed`.

    A chunk has `chunk_months`; with as many as the year has, it is one unbroken chain.
    """

    districts: tuple[str, ...]
    scenarios: tuple[Scenario, ...]
    year: int
    months: tuple[int, int] = (1, 12)
    seed: int = 1
    draws: int = 1
    chunk_months: int = 1
    warm_up_days: int = 3
    horizon_slots: int = 144


@dataclass(frozen=True)
class Run:
    """One district, scenario and draw of a study, with its chunks in their order."""

    district: str
    scenario: Scenario
    seed: int
    chunks: tuple[Chunk, ...]

    @property
    def days(self) -> int:
        """Days that are counted."""
        slots = sum(chunk.end_slot - chunk.first_slot for chunk in self.chunks) // SLOT_S
        return slots // SLOTS_PER_DAY


@dataclass(frozen=True, eq=False)
class Done:
    """A run and the year that it came to."""

    run: Run
    year: Year


def runs_of(study: Study) -> list[Run]:
    """All runs of a study; raises StudyError for a year, months or draws that cannot be."""
    _require(study)
    found = []
    for district in study.districts:
        zone, inputs = load_district(district).time_zone, inputs_digest(district)
        for scenario in study.scenarios:
            scenario_district(district, scenario)
            year = scenario.weather_year
            first_seed = study.seed if year is None else year
            for seed in range(first_seed, first_seed + study.draws):
                chunks = tuple(
                    Chunk(
                        district=district,
                        scenario=scenario,
                        seed=seed,
                        first_slot=first,
                        end_slot=end,
                        warm_up_days=study.warm_up_days,
                        horizon_slots=study.horizon_slots,
                        inputs=inputs,
                    )
                    for first, end in _bounds(study, zone)
                )
                found.append(Run(district, scenario, seed, chunks))
    return found


def inputs_digest(source: str) -> str:
    """Names the content of the data that a study rests on, the district's own folder among it:
    parts that were made from other data are not used again.
    """
    name = source.partition("@")[0]
    roots = [data.path(one) for one in DATA] + [data.path("districts", name), Path(name)]
    found = hashlib.sha256()
    if Path(name).is_file():
        found.update(Path(name).read_bytes())
    for root in roots:
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            if path.suffix in DATA_SUFFIXES:
                found.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return found.hexdigest()[:16]


def run_study(
    study: Study, folder: Path, client: Client, day_done: Told = lambda: None
) -> list[Done]:
    """Every run's year; parts are kept in `folder`."""
    runs = runs_of(study)
    chunks = [chunk for run in runs for chunk in run.chunks]
    parts = dict(zip(chunks_of(chunks), run_chunks(chunks, folder, client, day_done), strict=True))
    return [Done(run, _year(run, [parts[one.digest] for one in run.chunks])) for run in runs]


def chunks_of(chunks: Sequence[Chunk]) -> list[str]:
    """The digests of chunks, by which their parts are known."""
    return [chunk.digest for chunk in chunks]


def _year(run: Run, parts: Sequence[Part]) -> Year:
    first, end = run.chunks[0].first_slot, run.chunks[-1].end_slot
    return build_year(
        scenario_district(run.district, run.scenario),
        month_slots(first, end),
        parts,
        size_chargers(run.district, run.scenario, run.seed, end),
    )


def _bounds(study: Study, time_zone: str) -> list[tuple[int, int]]:
    """First and end slots of the chunks, in local months."""
    first, last = study.months
    begin = parse_instant(f"{study.year:04}-{first:02}-01", time_zone)
    end = local_month_start(begin, time_zone, months_on=last - first + 1)
    found, slot = [], begin
    while slot < end:
        after = min(local_month_start(slot, time_zone, months_on=study.chunk_months), end)
        found.append((slot, after))
        slot = after
    return found


def _require(study: Study) -> None:
    """Refuse what no study can be made of."""
    first, last = study.months
    for name, found, low, high in (
        ("year", study.year, *YEARS),
        ("first month", first, 1, 12),
        ("last month", last, first, 12),
        ("draws", study.draws, 1, 1000),
        ("months of a chunk", study.chunk_months, 1, 12),
        ("warm-up days", study.warm_up_days, 0, 28),
        ("slots of the horizon", study.horizon_slots, 100, 192),
    ):
        if not low <= found <= high:
            raise StudyError(f"{name}: found {found}, allowed {low}..{high}")
    for name, given in (
        ("district", study.districts),
        ("scenario", tuple(one.name for one in study.scenarios)),
    ):
        if len(set(given)) < len(given):
            raise StudyError(f"{name}: found {', '.join(given)}, allowed each once")

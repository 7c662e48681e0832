"""`microgrid plan`: a plan of a problem from a file, or of a district at an instant.

Exit codes: 0 the plan can be used; 1 it cannot: the limits contradict each other, or nothing but
rules or standing still was left; 2 the problem or the request cannot be read.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from energy.cli.settings import AsJson, District, Seed, start_logging
from energy.config import Settings, build_settings
from energy.timegrid import local_label, parse_instant, require_slot
from energy.units import SLOT_S
from optimizer import (
    BindingLimit,
    Finding,
    Plan,
    Planner,
    PlannerSettings,
    PlanProblem,
    Reason,
    Status,
    Tier,
)
from optimizer.document import (
    DocumentError,
    format_document,
    parse_problem,
    plan_document,
    problem_document,
)

BINDING_SHOWN = 12
NAMES_SHOWN = 2
SHOWN_LEAST = 0.05  # kW or won below which a column or a line is left out
USABLE = (Tier.OPTIMUM, Tier.FOUND, Tier.SHIFTED)


@dataclass(frozen=True, eq=False)
class Planned:
    """A problem and its plan; `title` says whose, `label` names a slot of the horizon.

    `wires` says in words what the power flow asked for; empty where there are no wires.
    """

    title: str
    problem: PlanProblem
    plan: Plan
    label: Callable[[int], str]
    wires: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether the plan may be carried out as it is."""
        certificate = self.plan.certificate
        return self.plan.tier in USABLE and certificate.status is not Status.INFEASIBLE


def plan(
    file: Annotated[Path | None, typer.Argument(help="problem as JSON; see docs/plan.md")] = None,
    district: District = None,
    at: Annotated[str | None, typer.Option(help="first slot, local to the district")] = None,
    seed: Seed = None,
    save: Annotated[Path | None, typer.Option(help="write the district's problem here")] = None,
    deadline_s: Annotated[float | None, typer.Option(help="longest time for a plan, s")] = None,
    gap_frac: Annotated[float | None, typer.Option(help="gap that counts as proven")] = None,
    as_json: AsJson = False,
) -> int:
    """Plan a problem from a file, or a district with a fresh simulated plant at an instant."""
    if file is not None and any(given is not None for given in (district, at, seed, save)):
        raise typer.BadParameter("FILE says it all: not with --district, --at, --seed or --save")
    settings = build_settings(
        district=district, seed=seed, plan_deadline_s=deadline_s, plan_gap_frac=gap_frac
    )
    start_logging(settings, quiet=True)
    try:
        found = plan_file(file, settings) if file is not None else plan_district(settings, at)
        if save is not None:
            _save(save, found.problem)
    except DocumentError as error:
        for finding in error.findings:
            typer.echo(f"microgrid: {finding}", err=True)
        return 2
    typer.echo(format_document(plan_document(found.plan)) if as_json else text(found), nl=False)
    if not found.is_usable:
        certificate = found.plan.certificate
        word = f"{certificate.tier} {certificate.tier.name.lower()}"
        typer.echo(f"microgrid: no acceptable plan: {word}, {certificate.reason}", err=True)
    return 0 if found.is_usable else 1


def plan_file(path: Path, settings: Settings) -> Planned:
    """The plan of a problem in a file; slots are numbered, for the file's label may be any."""
    try:
        problem = parse_problem(path.read_bytes())
    except OSError as error:
        raise DocumentError([Finding("file", str(path), f"cannot be read: {error}")]) from error
    terms = PlannerSettings(deadline_s=settings.plan_deadline_s, gap_frac=settings.plan_gap_frac)
    with Planner(terms) as planner:
        return Planned(path.name, problem, planner.plan(problem), lambda row: f"slot {row}")


def plan_district(settings: Settings, at: str | None) -> Planned:
    """The plan that a district's own cycle comes to in its first quarter hour.

    The plant is fresh and has a past; the wires are checked as ever. The problem is the one before
    any limit of the wires was added. A first slot without a valid power flow makes the plan one to
    hold still.
    """
    # A problem from a file needs none of the loop's machinery, which takes seconds to load.
    from energy.cycle import run_quarter_hour
    from energy.steps.context import open_installation, start_microgrid
    from energy.steps.weather_feed import require_weather

    require_weather(settings.weather_file)
    start = settings.demo_start if at is None else at
    with tempfile.TemporaryDirectory(prefix="microgrid-") as folder:
        apart = settings.model_copy(update={"database_url": f"sqlite:///{folder}/plan.db"})
        with open_installation(
            apart, lambda place: require_slot(parse_instant(start, place.time_zone))
        ) as installation:
            microgrid = start_microgrid(installation)
            try:
                slot, lead_s = installation.first_slot, settings.gate_lead_s
                checked = run_quarter_hour(microgrid, slot, lambda: float(slot - lead_s)).plan
            finally:
                microgrid.close()
            zone = installation.district.time_zone
    assert checked is not None, "a slot that is not over at its gate is planned"
    certificate = replace(checked.plan.certificate, tier=checked.tier, reason=checked.reason)
    return Planned(
        f"{installation.district.id}, {local_label(slot, zone)} {zone}",
        checked.problem,
        replace(checked.plan, certificate=certificate),
        lambda row: local_label(slot + row * SLOT_S, zone)[-5:],
        f"limits added in {checked.rounds} rounds, {len(checked.violations)} exceeded",
    )


def _save(path: Path, problem: PlanProblem) -> None:
    try:
        path.write_text(format_document(problem_document(problem)), encoding="utf-8")
    except OSError as error:
        raise DocumentError([Finding("file", str(path), f"cannot be written: {error}")]) from error


def text(found: Planned) -> str:
    """The plan for people: what it costs, its certificate, set-points by class, and why."""
    parts = (
        _certificate(found),
        _cost(found.plan),
        _set_points(found),
        _binding(found),
        _why(found),
    )
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _certificate(found: Planned) -> list[str]:
    certificate, problem = found.plan.certificate, found.problem
    proven = np.isfinite(certificate.bound_krw)
    bound = (
        f"{certificate.bound_krw:,.2f} won, gap {certificate.gap_frac:.4%}" if proven else "none"
    )
    lines = {
        "tier": f"{certificate.tier} {certificate.tier.name.lower()}, {certificate.status}",
        "because": certificate.reason,
        "cost": f"{certificate.cost_krw:,.2f} won",
        "no plan costs less than": bound if proven else "not proven",
        "seconds": f"{certificate.seconds:.2f} of {certificate.seconds_allowed:g}",
        "way": certificate.way,
        "inputs": certificate.inputs,
        **({"wires": found.wires} if found.wires else {}),
    }
    head = f"{found.title}: {problem.slots} slots of 15 min, areas: {problem.areas}"
    missed = [f"  limit not kept: {each}" for each in certificate.broken]
    missed += [f"  missed: {name} by {kw:,.2f} kW" for name, kw in certificate.slack_kw.items()]
    return [head, *(f"  {name:<24}{words}" for name, words in lines.items()), *missed]


def _cost(plan: Plan) -> list[str]:
    parts = {
        field.name: float(getattr(plan.cost_krw, field.name)) for field in fields(plan.cost_krw)
    }
    shown = {name: krw for name, krw in parts.items() if abs(krw) >= SHOWN_LEAST}
    lines = [f"  {name.replace('_', ' '):<24}{krw:>18,.2f}" for name, krw in shown.items()]
    return ["cost, won (revenue and stored values negative)", *lines]


def _set_points(found: Planned) -> list[str]:
    """A row a slot and a column for each class of assets that does anything."""
    plan = found.plan
    columns = {
        "import": plan.p_import_kw,
        "export": plan.p_export_kw,
        "solar": plan.pv_used_kw.sum(axis=1),
        "unused": (found.problem.pv_kw - plan.pv_used_kw).sum(axis=1),
        "shed": plan.shed_kw,
        "bat. in": plan.battery_charge_kw.sum(axis=1),
        "bat. out": plan.battery_discharge_kw.sum(axis=1),
        "cars in": plan.fleet_charge_kw.sum(axis=1),
        "cars out": plan.fleet_discharge_kw.sum(axis=1),
        "units": plan.unit_p_kw.sum(axis=1),
        "pump": plan.heat_pump_kw,
        "boiler": plan.boiler_kw,
    }
    shown = {name: kw for name, kw in columns.items() if float(np.max(kw)) >= SHOWN_LEAST}
    head = f"  {'':<10}" + "".join(f"{name:>11}" for name in shown) + f"{'won/kWh':>11}"
    rows = []
    for row in range(plan.slots):
        powers = "".join(f"{kw[row]:>11,.1f}" for kw in shown.values())
        worth = plan.marginal_krw_per_kwh[row]
        told = f"{worth:>11,.1f}" if np.isfinite(worth) else f"{'-':>11}"
        rows.append(f"  {found.label(row):<10}{powers}{told}")
    return ["set-points, kW (boiler: heat), and what one more kWh would cost", head, *rows]


def _binding(found: Planned) -> list[str]:
    """The dearest limits, each with its span of slots."""
    limits: defaultdict[str, list[BindingLimit]] = defaultdict(list)
    for each in found.plan.certificate.binding:
        limits[each.limit].append(each)
    if not limits:
        return []
    dearest = sorted(limits.values(), key=lambda group: -_dearest(group).shadow_krw_per_kwh)
    lines = []
    for group in dearest[:BINDING_SHOWN]:
        most, slots = _dearest(group), len(group)
        where = found.label(most.slot_index)
        also = f" and {slots - 1} slots more" if slots > 1 else ""
        lines.append(f"  {most.limit:<28}{most.shadow_krw_per_kwh:>12,.2f}  {where}{also}")
    rest = [f"  and {len(dearest) - BINDING_SHOWN} more"] if len(dearest) > BINDING_SHOWN else []
    return ["limits that bind, won per kWh more of them", *lines, *rest]


def _dearest(group: list[BindingLimit]) -> BindingLimit:
    return max(group, key=lambda each: each.shadow_krw_per_kwh)


def _why(found: Planned) -> list[str]:
    """Reasons by slot; assets that do the same for the same reason share a line."""
    alike: defaultdict[tuple[int, str], list[Reason]] = defaultdict(list)
    for each in found.plan.reasons:
        alike[each.slot_index, each.text].append(each)
    if not alike:
        return []
    return ["why, in the first slots", *_why_lines(found, alike)]


def _why_lines(found: Planned, alike: dict[tuple[int, str], list[Reason]]) -> Iterator[str]:
    for (slot, words), group in alike.items():
        names = ", ".join(each.asset for each in group[:NAMES_SHOWN])
        more = f" and {len(group) - NAMES_SHOWN} more" if len(group) > NAMES_SHOWN else ""
        yield f"  {found.label(slot):<10}{names}{more}: {words}"

"""`microgrid grid`: what the wires of a district are, and what they carry."""

import json
from dataclasses import asdict, dataclass
from time import perf_counter

import numpy as np
import numpy.typing as npt
import typer

from energy.cli.grid_day import day
from energy.cli.grid_studies import contingency, export, hosting, islanding, sensitivities
from energy.cli.settings import AsJson, District
from energy.config import build_settings
from energy.district import District as DistrictTables
from energy.district import load_district
from energy.district.sums import LoadCase, base_year, load_cases
from grid_models import PowerFlow, check_flow, check_network

SHOWN = 10
FloatArray = npt.NDArray[np.float64]

app = typer.Typer(no_args_is_help=True, help="The wires of a district.")


@dataclass(frozen=True)
class Extreme:
    """The element where something is highest or lowest."""

    id: str
    found: float


@dataclass(frozen=True)
class CaseReport:
    """One situation in the wires; loadings are current over rating, voltages per unit."""

    name: str
    converged: bool
    reason: str
    drawn_kw: float | None
    loss_kw: float | None
    line: Extreme | None
    transformer: Extreme | None
    v_min: Extreme | None
    v_max: Extreme | None
    violations: list[str]
    seconds: float


@dataclass(frozen=True)
class GridReport:
    """A district's wires, its base year and how its two situations run."""

    district: str
    buses: int
    lines: int
    transformers: int
    areas: int
    zones: int
    households: int
    meters: int
    peak_kw: float | None
    demand_gwh: float
    pv_mwp: float
    pv_gwh: float
    self_sufficiency_frac: float
    findings: list[str]
    cases: list[CaseReport]
    violations: int
    build_seconds: float
    seconds: float


app.command()(day)
app.command()(hosting)
app.command()(contingency)
app.command("island")(islanding)
app.command()(sensitivities)
app.command()(export)


@app.callback()
def grid() -> None:
    """What the wires of a district are, and what they carry."""


@app.command()
def check(district: District = None, as_json: AsJson = False) -> int:
    """Run a district's evening peak and a sunny noon through its wires.

    Exit code 1 when a limit is broken.
    """
    report = build_report(build_settings(district=district).district)
    document = json.dumps(asdict(report), indent=2, ensure_ascii=False)
    typer.echo(document if as_json else text(report))
    return 1 if report.violations or report.findings else 0


def build_report(source: str) -> GridReport:
    """The report on the district of this name."""
    begin = perf_counter()
    district = load_district(source)
    network, year = district.network, base_year(district)
    flow = PowerFlow(network)
    build_seconds = perf_counter() - begin
    cases = [_run(district, flow, case) for case in load_cases(district)]
    return GridReport(
        district=district.id,
        buses=len(network.buses.id),
        lines=len(network.lines.id),
        transformers=len(network.transformers.id),
        areas=district.areas,
        zones=len(network.zones),
        households=district.households,
        meters=len(district.meters.use),
        peak_kw=cases[0].drawn_kw,
        demand_gwh=year.demand_kwh / 1e6,
        pv_mwp=float(district.pv.kwp.sum()) / 1000,
        pv_gwh=year.pv_kwh / 1e6,
        self_sufficiency_frac=year.self_sufficiency_frac,
        findings=[str(finding) for finding in check_network(network)],
        cases=cases,
        violations=sum(len(case.violations) for case in cases),
        build_seconds=build_seconds,
        seconds=perf_counter() - begin,
    )


def text(report: GridReport) -> str:
    """The report for people."""
    peak = "unknown" if report.peak_kw is None else f"{report.peak_kw:,.0f} kW"
    lines = [
        f"{report.district}: {report.buses} buses, {report.lines} lines, "
        f"{report.transformers} transformers, {report.areas} areas in {report.zones} zones",
        f"{report.households} households, {report.meters} meters, peak {peak}",
        f"base year: demand {report.demand_gwh:.2f} GWh, solar {report.pv_mwp:.2f} MWp giving "
        f"{report.pv_gwh:.2f} GWh, own production {report.self_sufficiency_frac:.0%} of demand",
    ]
    for case in report.cases:
        lines += ["", *_case_lines(case)]
    lines += [f"finding: {finding}" for finding in report.findings[:SHOWN]]
    total = report.violations + len(report.findings)
    verdict = "all limits kept" if total == 0 else f"{total} limits broken"
    return "\n".join([*lines, "", f"{verdict}; {report.seconds:.2f} s"])


def _run(district: DistrictTables, flow: PowerFlow, case: LoadCase) -> CaseReport:
    network = district.network
    found = flow.run(case.p_kw, case.q_kvar)
    return CaseReport(
        name=case.name,
        converged=found.converged,
        reason=found.reason,
        drawn_kw=found.p_slack_kw if found.converged else None,
        loss_kw=found.p_loss_kw if found.converged else None,
        line=_highest(network.lines.id, found.line_loading_frac),
        transformer=_highest(network.transformers.id, found.transformer_loading_frac),
        v_min=_lowest(network.buses.id, found.v_pu),
        v_max=_highest(network.buses.id, found.v_pu),
        violations=[str(violation) for violation in check_flow(network, found)],
        seconds=found.seconds,
    )


def _highest(ids: tuple[str, ...], values: FloatArray) -> Extreme | None:
    """The element with the highest value; None without elements or numbers."""
    if not len(ids) or not np.isfinite(values).all():
        return None
    row = int(np.argmax(values))
    return Extreme(ids[row], round(float(values[row]), 5))


def _lowest(ids: tuple[str, ...], values: FloatArray) -> Extreme | None:
    found = _highest(ids, -values)
    return Extreme(found.id, -found.found) if found else None


def _case_lines(case: CaseReport) -> list[str]:
    if case.drawn_kw is None or case.loss_kw is None:
        return [f"{case.name}: no power flow, {case.reason}"]
    way = "drawn from" if case.drawn_kw >= 0 else "fed into"
    lines = [
        f"{case.name}: {abs(case.drawn_kw):,.0f} kW {way} the utility, losses "
        f"{case.loss_kw:,.0f} kW, solved in {1000 * case.seconds:.1f} ms"
    ]
    for what, most in (("line", case.line), ("transformer", case.transformer)):
        if most:
            lines.append(f"  highest {what} loading {most.found:.1%} ({most.id})")
    if case.v_min and case.v_max:
        lines.append(
            f"  voltages {case.v_min.found:.4f} pu ({case.v_min.id}) to "
            f"{case.v_max.found:.4f} pu ({case.v_max.id})"
        )
    more = len(case.violations) - SHOWN
    lines += [f"  broken: {violation}" for violation in case.violations[:SHOWN]]
    return [*lines, f"  ... and {more} more"] if more > 0 else lines

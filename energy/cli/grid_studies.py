"""`microgrid grid` hosting, contingency, island, sensitivities and export: what-if of the wires."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import track

from energy.cli.grid_tables import (
    Columns,
    require_format,
    text_table,
    write_table,
    writing,
)
from energy.cli.settings import AsJson, District
from energy.config import build_settings
from energy.district import District as DistrictTables
from energy.district import load_district
from energy.district.islanding import SHED_RANK, island_cases
from energy.district.sums import LoadCase, load_cases
from grid_models import (
    FlowResult,
    PowerFlow,
    Room,
    build_sensitivities,
    check_contingencies,
    draw_capacity,
    feed_capacity,
    island,
    write_network_folder,
    write_pandapower_json,
)
from grid_models.contingencies import feeder_heads, substation_transformers

Document = dict[str, Any]
Element = Annotated[
    list[str] | None, typer.Option(help="line or transformer that fails; all feeders if not named")
]
AllLines = Annotated[bool, typer.Option("--all", help="every closed line on the backbone")]
Format = Annotated[str, typer.Option("--format", help="of the flows: csv or parquet")]
Folder = Annotated[Path, typer.Argument(help="folder to write into; it is made")]


def hosting(district: District = None, as_json: AsJson = False) -> int:
    """Solar that each area still takes on a sunny noon, and charging in the evening peak."""
    tables = load_district(build_settings(district=district).district)
    evening, noon = load_cases(tables)
    flow = PowerFlow(tables.network)
    feed = feed_capacity(flow, noon.p_kw, noon.q_kvar, tables.shares["pv"])
    draw = draw_capacity(flow, evening.p_kw, evening.q_kvar, tables.shares["load"])
    rows: list[Document] = [
        {"area": area, "solar": _room(solar), "charging": _room(charging)}
        for area, solar, charging in zip(tables.network.areas.id, feed, draw, strict=True)
    ]
    if as_json:
        _print_json(rows)
        return 0
    _print_table(
        ("area", "solar kW", "ends at", "charging kW", "ends at"),
        [(row["area"], *_room_cells(row["solar"]), *_room_cells(row["charging"])) for row in rows],
    )
    return 0


def contingency(
    district: District = None,
    element: Element = None,
    every: AllLines = False,
    as_json: AsJson = False,
) -> int:
    """N-1 in the evening peak: what fails, which ties pick up whom, what is overloaded then.

    Exit code 1 when an outage leaves somebody dark or a limit broken.
    """
    tables = load_district(build_settings(district=district).district)
    case, network = load_cases(tables)[0], tables.network
    names = element or [*feeder_heads(network), *substation_transformers(network)]
    if every:
        backbone = (network.buses.area[network.lines.to_bus] < 0) & network.lines.closed
        names = [network.lines.id[row] for row in np.flatnonzero(backbone)]
    found = [
        check_contingencies(network, case.p_kw, case.q_kvar, [name])[0]
        for name in track(names, "outages", transient=True, disable=as_json)
    ]
    secure = all(each.secure for each in found)
    if as_json:
        _print_json([{**asdict(each), "secure": each.secure} for each in found])
        return 0 if secure else 1
    _print_table(
        ("outage", "dark at first", "closed", "opened", "still dark", "highest loading", "at"),
        [
            (
                each.element,
                f"{len(each.dark_areas)} areas",
                " ".join(each.closed) or "-",
                " ".join(each.opened) or "-",
                f"{each.unsupplied_buses} buses, {each.p_unsupplied_kw:,.0f} kW",
                f"{each.highest_loading_frac:.1%}" if each.highest_element else "-",
                each.highest_element or "-",
            )
            for each in found
        ],
    )
    broken = sum(not each.secure for each in found)
    typer.echo(f"{len(found) - broken} of {len(found)} outages leave nobody dark and keep limits")
    return 0 if secure else 1


def islanding(
    district: District = None,
    reserve: Annotated[float, typer.Option(min=0, max=0.9, help="share kept free")] = 0.1,
    as_json: AsJson = False,
) -> int:
    """The district without the utility: who is shed, what blocks it.

    Exit code 1 when the island cannot live.
    """
    tables = load_district(build_settings(district=district).district)
    found = {
        name: island(tables.network, case) for name, case in island_cases(tables, reserve).items()
    }
    lives = all(each.lives for each in found.values())
    if as_json:
        ranks = [name for name, _ in SHED_RANK]
        _print_json(
            {
                name: {
                    **asdict(each),
                    "violations": [str(one) for one in each.violations],
                    "shed_frac": dict(zip(ranks, each.shed_frac, strict=True)),
                    "lives": each.lives,
                }
                for name, each in found.items()
            }
        )
        return 0 if lives else 1
    for name, each in found.items():
        typer.echo(
            f"{name}: {'lives' if each.lives else 'cannot live'}; {each.p_served_kw:,.0f} kW "
            f"served, {each.p_shed_kw:,.0f} kW shed, {each.p_curtailed_kw:,.0f} kW of solar unused"
        )
        typer.echo(
            f"  sources give {each.p_source_kw:,.0f} kW, {each.reserve_kw:,.0f} kW in reserve; "
            f"voltages {each.v_min_pu:.4f} to {each.v_max_pu:.4f} pu"
        )
        for (rank, _), shed in zip(SHED_RANK, each.shed_frac, strict=True):
            if shed > 0:
                typer.echo(f"  shed: {rank} {shed:.0%}")
        for reason in each.blocked_by:
            typer.echo(f"  blocked by: {reason}")
    return 0 if lives else 1


def sensitivities(district: District = None, as_json: AsJson = False) -> int:
    """What one kW more in each area does in the evening peak: losses, its transformer, voltage."""
    tables = load_district(build_settings(district=district).district)
    case, network = load_cases(tables)[0], tables.network
    flow = PowerFlow(network).run(case.p_kw, case.q_kvar)
    moves = build_sensitivities(network, flow, tables.shares["load"])
    rows: list[Document] = []
    for area, name in enumerate(network.areas.id):
        fed_by = int(network.areas.transformer[area])
        lowest = int(np.argmin(moves.v_pu_per_kw[:, area]))
        own = moves.transformer_loading_per_kw[fed_by, area] if fed_by >= 0 else None
        rows.append(
            {
                "area": name,
                "zone": network.zones[int(network.areas.zone[area])],
                "loss_kw_per_kw": float(moves.loss_per_kw[area]),
                "transformer_loading_per_100_kw": None if own is None else 100 * float(own),
                "v_pu_per_100_kw": 100 * float(moves.v_pu_per_kw[lowest, area]),
                "v_bus": network.buses.id[lowest],
            }
        )
    if as_json:
        _print_json(rows)
        return 0
    _print_table(
        ("area", "zone", "loss", "transformer per 100 kW", "voltage per 100 kW", "at bus"),
        [
            (
                row["area"],
                row["zone"],
                f"{row['loss_kw_per_kw']:.2%}",
                _percent(row["transformer_loading_per_100_kw"]),
                f"{row['v_pu_per_100_kw']:+.5f} pu",
                row["v_bus"],
            )
            for row in rows
        ],
    )
    return 0


def export(folder: Folder, district: District = None, file_format: Format = "csv") -> None:
    """Write the wires as CSV tables and as pandapower JSON, and the flows of both cases.

    The wires stay CSV, as a district's folder is read again; the flows come in the chosen format.
    """
    suffix = require_format(file_format)
    tables = load_district(build_settings(district=district).district)
    cases = load_cases(tables)
    with writing(folder):
        write_network_folder(tables.network, folder)
        write_pandapower_json(tables.network, cases[0].p_kw, cases[0].q_kvar, folder / "net.json")
    flow = PowerFlow(tables.network)
    for case in cases:
        place = folder / case.name.replace(" ", "_")
        found = result_tables(tables, case, flow.run(case.p_kw, case.q_kvar))
        for name, columns in found.items():
            write_table(place / f"{name}.{suffix}", columns)
    typer.echo(f"written to {folder}")


def result_tables(tables: DistrictTables, case: LoadCase, flow: FlowResult) -> dict[str, Columns]:
    """Injections and voltages of the buses, loadings of lines and transformers, by table."""
    network = tables.network
    return {
        "buses": {
            "id": network.buses.id,
            "p_kw": case.p_kw,
            "q_kvar": case.q_kvar,
            "v_pu": flow.v_pu,
            "angle_deg": np.rad2deg(flow.angle_rad),
        },
        "lines": {"id": network.lines.id, "loading_frac": flow.line_loading_frac},
        "transformers": {
            "id": network.transformers.id,
            "loading_frac": flow.transformer_loading_frac,
        },
    }


def _room(room: Room) -> Document:
    """A room as JSON; no number stands for no end."""
    endless = not np.isfinite(room.step_kw)
    return {"kw": None if endless else room.step_kw, "kind": room.kind, "element": room.element}


def _room_cells(room: Document) -> tuple[str, str]:
    if room["kw"] is None:
        return "no end", "-"
    return f"{room['kw']:,.0f}", f"{room['kind'].replace('_', ' ')} {room['element']}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"


def _print_json(document: object) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def _print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    typer.echo("\n".join(text_table(header, rows)))

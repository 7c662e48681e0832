"""`microgrid fleet`: the services of many districts, kept at work, and their overview."""

from pathlib import Path
from typing import Annotated

import typer


def fleet(
    file: Annotated[Path, typer.Argument(help="TOML file with a table for each district")],
) -> None:
    """Run every district of FILE, each in a process and folder of its own, until Ctrl-C."""
    import logging

    from energy.fleet import load_fleet, run_fleet

    found = load_fleet(file)
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    typer.echo(f"{len(found.members)} districts, http://{found.host}:{found.port}")
    run_fleet(found)

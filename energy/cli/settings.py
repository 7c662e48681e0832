"""Flags that several commands share, and how they become settings."""

import logging
from typing import Annotated

import typer

from energy.config import Settings

District = Annotated[
    str | None, typer.Option(help="name, name@fraction, simbench:<code> or a folder")
]
DatabaseUrl = Annotated[str | None, typer.Option(help="store of the installation")]
Seed = Annotated[int | None, typer.Option(help="seed of the simulated plant and crowd")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def start_logging(settings: Settings, *, quiet: bool = False) -> None:
    """Log lines on the error stream, at the level of the settings; from warnings on if quiet."""
    logging.basicConfig(
        level="WARNING" if quiet else settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    logging.getLogger("apscheduler").setLevel(logging.WARNING)

"""Flags that several commands share, and how they become settings."""

import logging
import os
import re
from pathlib import Path
from typing import Annotated

import typer

from energy.config import Settings
from energy.logs import JsonLines, PlainLines

District = Annotated[
    str | None, typer.Option(help="name, name@fraction, simbench:<code> or a folder")
]
DatabaseUrl = Annotated[str | None, typer.Option(help="store of the installation")]
Seed = Annotated[int | None, typer.Option(help="seed of the simulated plant and crowd")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def start_logging(settings: Settings, *, quiet: bool = False) -> None:
    """Log lines on the error stream, as the settings say; from warnings on if quiet."""
    lines = logging.StreamHandler()
    lines.setFormatter(JsonLines() if settings.log_format == "json" else PlainLines())
    level = "WARNING" if quiet else settings.log_level.upper()
    logging.basicConfig(level=level, handlers=[lines])
    logging.getLogger("apscheduler").setLevel(logging.WARNING)


def parse_month(text: str) -> int:
    """The month 2026-07 as 202607; anything else is wrong use."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise typer.BadParameter(f"month {text!r}: allowed a month such as 2026-07")
    return int(text.replace("-", ""))


def require_writable(path: Path) -> None:
    """Wrong use unless a file can be written there; asked before long work, not after it."""
    folder = next(one for one in path.absolute().parents if one.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise typer.BadParameter(f"{path}: cannot be written, allowed a file in a folder of yours")

"""`microgrid store`: the installation's store as one file, and back."""

import getpass
import time
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from energy.cli.participants import writer
from energy.cli.settings import DatabaseUrl
from energy.config import build_settings, shown_url
from energy.daemon.clocks import far_behind
from energy.steps.losses import accept_loss
from energy.steps.start_audit import first_finding
from energy.store.audit import Record, append_record
from energy.store.backup import BackupSummary, restore_backup, write_backup
from energy.store.clock_checks import ClockCheck, save_check
from energy.store.engine import open_reader
from energy.store.errors import StoreError
from energy.store.migrations import migrate_store
from energy.store.schema import SCHEMA_VERSION
from energy.store.slots import last_published
from energy.timegrid import iso_of, parse_instant

APART_S_MAX = 3_600
"""A clock that is compared by hand may differ by this much."""

app = typer.Typer(no_args_is_help=True, help="The store of an installation.")


@app.callback()
def store() -> None:
    """The store of an installation."""


@app.command()
def backup(file: Path, database_url: DatabaseUrl = None) -> None:
    """Write the whole store, as it stands now, into a new file; the loop goes on meanwhile."""
    url = build_settings(database_url=database_url).database_url
    _tell("written to", file, write_backup(url, file))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="what `microgrid store backup` has written")],
    database_url: DatabaseUrl = None,
) -> int:
    """Fill a new store from a backup, SQLite or PostgreSQL, and verify its ledger.

    Exit code 1 where the ledger does not hold.
    """
    url = build_settings(database_url=database_url).database_url
    _tell("restored from", file, restore_backup(file, url))
    return _verified(url)


@app.command()
def migrate(
    to: Annotated[
        int, typer.Option(help="version of the tables; an older one loses what only newer hold")
    ] = SCHEMA_VERSION,
    database_url: DatabaseUrl = None,
) -> int:
    """Bring the store's tables to this program's version, or another, and verify its ledger.

    Stop the program first. Exit code 1 where the ledger does not hold.
    """
    url = build_settings(database_url=database_url).database_url
    before, after = migrate_store(url, to)
    typer.echo(f"{shown_url(url)}: schema version {before} -> {after}")
    return 0 if after != SCHEMA_VERSION else _verified(url)


@app.command(name="confirm-clock")
def confirm_clock(
    now: Annotated[str, typer.Argument(help="what time it is by another clock, with its offset")],
    reason: Annotated[str, typer.Option(help="why the service was away for so long")],
    database_url: DatabaseUrl = None,
) -> None:
    """Confirm that this machine's time is right, so that a service that was away catches up.

    With SQLite stop the service first. Refused where the store has slots that are still to come: it
    was run by a clock that was ahead, and no confirmation takes its rows back.
    """
    told_s, here_s = parse_instant(now), time.time()
    if abs(told_s - here_s) > APART_S_MAX:
        raise typer.BadParameter(
            f"now: found {iso_of(told_s)}, this machine has {iso_of(int(here_s))}, allowed a "
            f"difference of {APART_S_MAX / 3600:g} h; set the clock right"
        )
    if not reason.strip():
        raise typer.BadParameter("reason: found nothing, allowed a few words")
    check = ClockCheck(int(here_s), f"command line, {getpass.getuser()}", reason.strip())
    task = f"confirm the clock: {check.reason}"
    record = Record(int(here_s * 1e6), check.actor, "this machine", "district", task)

    def unit(connection: Connection) -> None:
        _require_store_behind(connection, here_s)
        save_check(connection, check)
        append_record(connection, record)

    with writer(database_url) as opened:
        opened.write(unit)
    typer.echo(f"confirmed: it is {iso_of(check.at_s)}; start the service, and it catches up")


@app.command(name="accept-loss")
def accept_the_loss(
    reason: Annotated[str, typer.Option(help="why what is lost cannot be had back")],
    database_url: DatabaseUrl = None,
) -> None:
    """Let a store go on that was put back from an older copy, without the heads that it has lost.

    The log tells of it from its next tick on; witnesses that have signed for what is lost will
    refuse it. Stop the service first.
    """
    if not reason.strip():
        raise typer.BadParameter("reason: found nothing, allowed a few words")
    settings, who = build_settings(database_url=database_url), f"command line, {getpass.getuser()}"
    with writer(database_url) as opened:
        found = accept_loss(opened, settings, who, reason.strip(), int(time.time()))
    typer.echo(
        f"accepted: {found.lost.size} leaves were signed by {iso_of(found.lost.tick)}, the log "
        f"goes on from {found.goes_on.size} at {iso_of(found.goes_on.tick)} and tells of it"
    )


def _require_store_behind(connection: Connection, now_s: float) -> None:
    """Raise StoreError where the store is ahead of a clock that is right, with what can be done."""
    if (told := far_behind(now_s, last_published(connection))) is not None:
        raise StoreError(
            f"clock: {told}; nothing was confirmed. Where this machine's time is wrong, set it "
            f"right and start the service. Where it is right, the store was written by a clock "
            f"that was ahead, and what is signed stays: restore the newest backup from before "
            f"(`microgrid store restore`), or let the service hold, devices at their defaults, "
            f"until then"
        )


def _verified(url: str) -> int:
    with open_reader(url) as opened:
        finding = first_finding(opened)
    if finding is not None:
        typer.echo(f"the ledger does not hold: {finding}")
        return 1
    typer.echo("the ledger is proven")
    return 0


def _tell(what: str, file: Path, summary: BackupSummary) -> None:
    rows = sum(summary.rows.values())
    typer.echo(
        f"{what} {file}: {rows:,} rows in {len(summary.rows)} tables, "
        f"{summary.size_bytes / 2**20:,.1f} MiB"
    )

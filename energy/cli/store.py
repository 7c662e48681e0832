"""`microgrid store`: the installation's store as one file, and back."""

from pathlib import Path
from typing import Annotated

import typer

from energy.cli.settings import DatabaseUrl
from energy.config import build_settings
from energy.steps.proving import verify_store
from energy.store.backup import BackupSummary, restore_backup, write_backup
from energy.store.engine import open_reader
from energy.store.migrations import migrate_store
from energy.store.schema import SCHEMA_VERSION

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
    typer.echo(f"{url}: schema version {before} -> {after}")
    return 0 if after != SCHEMA_VERSION else _verified(url)


def _verified(url: str) -> int:
    with open_reader(url) as opened:
        report = verify_store(opened)
    if report.first_failure is not None:
        typer.echo(f"the ledger does not hold: {report.first_failure.message}")
        return 1
    typer.echo("the ledger is proven")
    return 0


def _tell(what: str, file: Path, summary: BackupSummary) -> None:
    rows = sum(summary.rows.values())
    typer.echo(
        f"{what} {file}: {rows:,} rows in {len(summary.rows)} tables, "
        f"{summary.size_bytes / 2**20:,.1f} MiB"
    )

"""`microgrid ledger identity` and `ledger erase`: who participants are, and forgetting them."""

import json
import re
from typing import Annotated

import typer

from energy.cli.settings import AsJson, DatabaseUrl
from energy.config import build_settings
from energy.steps.erasing import erase_account
from energy.store.engine import Store, open_reader, open_store
from energy.store.errors import StoreError
from energy.store.identities import Identity, erase_identity, find_identity, set_identity

identity = typer.Typer(
    help="Names, addresses, contacts and meter numbers, outside the books: set, show, erase.",
    no_args_is_help=True,
)
Who = Annotated[str, typer.Argument(help="account, 0x and 64 hex digits")]


@identity.command("set")
def set_(
    account: Who,
    name: Annotated[str, typer.Option(help="name of the person or company")] = "",
    address: Annotated[str, typer.Option(help="address of the connection")] = "",
    contact: Annotated[str, typer.Option(help="telephone or mail")] = "",
    meter_number: Annotated[str, typer.Option(help="number that the utility knows it by")] = "",
    database_url: DatabaseUrl = None,
) -> None:
    """Keep who an account is, instead of what was kept before."""
    who = Identity(name, address, contact, meter_number)
    if not any(who):
        raise typer.BadParameter("name one of --name, --address, --contact, --meter-number")
    with writer(database_url) as store:
        store.write(lambda connection: set_identity(connection, account_of(account), who))


@identity.command()
def show(account: Who, database_url: DatabaseUrl = None, as_json: AsJson = False) -> int:
    """Say who an account is; exit code 1 where nothing is kept."""
    settings = build_settings(database_url=database_url)
    with open_reader(settings.database_url) as store:
        found = store.read(lambda connection: find_identity(connection, account_of(account)))
    if as_json:
        typer.echo(json.dumps(None if found is None else found._asdict(), ensure_ascii=False))
    elif found is not None:
        for field, text in found._asdict().items():
            typer.echo(f"{field.replace('_', ' '):<13} {text}")
    else:
        typer.echo(f"account {account}: no identity is kept")
    return 1 if found is None else 0


@identity.command("erase")
def forget(account: Who, database_url: DatabaseUrl = None) -> int:
    """Forget who an account is; its entries stay. Exit code 1 where nothing was kept."""
    with writer(database_url) as store:
        found = store.write(lambda connection: erase_identity(connection, account_of(account)))
        store.compact()
    typer.echo(f"account {account}: " + ("identity erased" if found else "no identity was kept"))
    return 0 if found else 1


def erase(
    account: Who,
    before: Annotated[
        str | None, typer.Option(help="first month that stays, YYYY-MM; default: the newest")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="it cannot be undone")] = False,
    yes_before_retention: Annotated[
        bool,
        typer.Option(help="also months that the law asks to keep (data/retention.toml)"),
    ] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Destroy a participant's keys, entries and identity; all other proofs stay valid.

    Stop the loop first where the store is a SQLite file. Older backups still hold what is erased:
    destroy them as well.
    """
    who, month = account_of(account), None if before is None else _month_of(before)
    if not yes:
        raise StoreError(f"erase {account}: cannot be undone, allowed with --yes")
    with writer(database_url) as store:
        found = erase_account(store, who, month, even_retained=yes_before_retention)
    typer.echo(
        f"account {account} before {found.before}: {found.orders} orders, {found.readings} readings"
        f", {found.transfers} transfers and {found.others} other entries erased"
        + (", and the identity" if found.identity else "")
    )


def account_of(text: str) -> bytes:
    """The 32 bytes of an account; raises typer.BadParameter for other text."""
    if not re.fullmatch(r"0x[0-9a-f]{64}", text):
        raise typer.BadParameter("account: allowed 0x and 64 lower-case hex digits")
    return bytes.fromhex(text[2:])


def _month_of(text: str) -> int:
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text):
        raise typer.BadParameter(f"--before: found {text}, allowed YYYY-MM")
    return int(text[:4]) * 12 + int(text[5:]) - 1


def writer(database_url: str | None) -> Store:
    """The store of an installation that exists, for writing."""
    settings = build_settings(database_url=database_url)
    with open_reader(settings.database_url):
        pass  # refuses what is no store of this version, and makes none
    return open_store(settings.database_url)

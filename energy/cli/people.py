"""`microgrid people`: who may sign in, tokens of services and devices, and the audit log.

A store in a SQLite file has one writer: stop the service first, or disable people over HTTP.
"""

import getpass
import json
import sys
import time
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer
from sqlalchemy import Connection

from energy.api.callers import SCOPES, TOKEN_VERDICTS
from energy.cli.door import Url, address_of_market, at_the_door
from energy.cli.participants import account_of, writer
from energy.cli.settings import AsJson, DatabaseUrl
from energy.config import build_settings
from energy.district import load_district
from energy.steps.credentials import (
    hash_secret,
    new_secret,
    new_seed,
    otpauth_uri,
    require_password,
    stretch_password,
)
from energy.steps.giving_meters import give_free_meters, give_meters, take_meters_back
from energy.steps.kept_keys import key_safe
from energy.store.audit import Record, append_record, first_broken, list_records
from energy.store.engine import open_reader
from energy.store.errors import StoreError
from energy.store.people import (
    DEVICE,
    TOKEN_ROLES,
    Person,
    ServiceToken,
    add_person,
    add_token,
    disable_person,
    disable_token,
    list_people,
    list_tokens,
    renew_token,
)
from energy.timegrid import iso_of

Result = TypeVar("Result")
DAY_S = 86_400
DAYS_MAX = 366
ISSUER = "Sejong Microgrid"
SHOWN = ("account", "origin", "whose", "task")

app = typer.Typer(help="Who may sign in, tokens, and the audit log.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="2 to 40 of a-z, 0-9, dot, dash, underscore")]


@app.command()
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="operator, network_owner or auditor")] = "operator",
    database_url: DatabaseUrl = None,
) -> None:
    """Let a person sign in. The password is asked for, or is the first line of standard input.

    What the person's code program reads is printed once and cannot be shown again.
    """
    password = _ask_password()
    require_password(password)
    seed, now_s = new_seed(), int(time.time())
    who = Person(name, role, stretch_password(password), seed, 0, now_s)
    _write(database_url, f"add person as {role}", name, lambda c: add_person(c, who))
    typer.echo(otpauth_uri(name, seed, ISSUER))
    typer.echo(f"{name} may sign in as {role}; give the line above to the code program", err=True)


@app.command()
def token(
    name: Name,
    role: Annotated[str | None, typer.Option(help=", ".join(TOKEN_ROLES))] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help=f"one or more of {', '.join(SCOPES)}")
    ] = None,
    account: Annotated[str | None, typer.Option(help="whose device, 0x and 64 digits")] = None,
    days: Annotated[int, typer.Option(min=1, max=DAYS_MAX, help="how long it is good")] = 90,
    renew: Annotated[
        bool, typer.Option("--renew", help="another token for the name; the old one ends at once")
    ] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a token for a service or a device, or another one for the same name; printed once."""
    secret, now_s = new_secret(), int(time.time())
    hash_32, ends_s = hash_secret(secret), now_s + days * DAY_S
    if renew:
        if role or scope or account:
            raise typer.BadParameter("--renew: allowed without --role, --scope and --account")
        task = f"renew token for {days} days"
        _write(database_url, task, name, lambda c: renew_token(c, name, hash_32, now_s, ends_s))
    else:
        scopes = scope or []
        _require_sense(role, scopes, account)
        whose = None if account is None else account_of(account)
        made = ServiceToken(name, hash_32, str(role), scopes, whose, now_s, ends_s)
        task = f"add token as {role} for {', '.join(sorted(scopes))}"
        _write(database_url, task, name, lambda c: add_token(c, made))
    typer.echo(secret)


def _require_sense(role: str | None, scopes: list[str], account: str | None) -> None:
    """Raise BadParameter for a token that could do nothing, or that is nobody's."""
    if role not in TOKEN_ROLES:
        raise typer.BadParameter(f"--role: found {role}, allowed {', '.join(TOKEN_ROLES)}")
    if not scopes:
        raise typer.BadParameter(f"--scope: found none, allowed {', '.join(SCOPES)}")
    for one in scopes:
        if one not in SCOPES:
            raise typer.BadParameter(f"--scope: found {one}, allowed {', '.join(SCOPES)}")
    able = {each.scope for each in TOKEN_VERDICTS if role in each.roles}
    for one in set(scopes) - able:
        raise typer.BadParameter(
            f"--scope: found {one}, allowed for {role}: {', '.join(sorted(able))}"
        )
    if (role == DEVICE) != (account is not None):
        raise typer.BadParameter("--account: allowed for a device, and needed there")


@app.command()
def meters(
    name: Name,
    account: Annotated[
        list[str] | None, typer.Option(help="whose meter, 0x and 64 digits; may be repeated")
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="all that no device reads yet; with --back all its own"),
    ] = False,
    back: Annotated[bool, typer.Option("--back", help="to the district's own plant")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Let a device's token bring the readings of these meters, from the slot that is printed on."""
    known = load_district(build_settings(database_url=database_url).district).meters.account
    accounts = list(known) if every else [account_of(one) for one in account or []]
    for one in accounts:
        if one not in known:
            raise typer.BadParameter(f"--account: found 0x{one.hex()}, allowed one with a meter")
    if not accounts or (every and account):
        raise typer.BadParameter("--account: allowed one or more, or --all")

    def unit(connection: Connection) -> tuple[int, int]:
        if back:
            return take_meters_back(connection, name, None if every else accounts)
        if every:
            return give_free_meters(connection, name, accounts, int(time.time()))
        return give_meters(connection, name, accounts, int(time.time())), len(accounts)

    verb = "take from it" if back else "let it read"
    first, _ = _write(database_url, lambda done: f"{verb} {done[1]} meters", name, unit)
    typer.echo(iso_of(first))


@app.command()
def disable(
    name: Name,
    is_token: Annotated[bool, typer.Option("--token", help="a token, not a person")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Let a person sign in no more and end all sessions, or let a token open nothing more."""
    unit = disable_token if is_token else disable_person
    now_s, kind = int(time.time()), "token" if is_token else "person"
    changed = _write(database_url, f"disable {kind}", name, lambda c: unit(c, name, now_s))
    typer.echo(f"{name}: " + ("disabled" if changed else "was disabled before"))


@app.command()
def invite(
    name: Name,
    account: Annotated[str, typer.Option(help="the household, 0x and 64 digits")],
    days: Annotated[int, typer.Option(min=1, max=30, help="how long it is good")] = 7,
    url: Url = None,
) -> None:
    """Invite a resident without a wallet, at the running service (MICROGRID_TOKEN, `operate`).

    The link is printed once and is for the resident alone, who chooses a password with it.
    Refused where somebody may sign in for the household or it has a key of its own: disable the
    person or revoke the key first.
    """
    settings = build_settings()
    account_of(account)
    with at_the_door(url, settings) as client:
        found = client.invite({"name": name, "account": account, "days": days})
    typer.echo(f"{settings.public_url or address_of_market(url, settings)}{found['path']}")
    typer.echo(f"{name}: the link is good until {found['ends_utc']}, once", err=True)


@app.command()
def reseal(database_url: DatabaseUrl = None) -> None:
    """Seal all kept keys under a new secret; what was sealed under the old one opens no more.

    Destroy older backups of the secret's file: with them older backups of the store would open.
    """
    safe = key_safe(build_settings(database_url=database_url))
    count = _write(
        database_url, "seal kept keys under a new secret", "kept keys", safe.change_secret
    )
    safe.finish_change()
    typer.echo(f"{count} kept keys are sealed under a new secret in {safe.path}")


@app.command("list")
def list_(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """People and tokens, without anything secret."""
    with open_reader(build_settings(database_url=database_url).database_url) as store:
        people, tokens = store.read(lambda c: (list_people(c), list_tokens(c)))
    rows = [
        {"name": one.name, "kind": "person", "role": one.role, "scopes": None, "ends_utc": None,
         "disabled_utc": _utc(one.disabled_s)}
        for one in people
    ]  # fmt: skip
    rows += [
        {"name": one.name, "kind": "token", "role": one.role, "scopes": ",".join(one.scopes),
         "ends_utc": _utc(one.ends_s), "disabled_utc": _utc(one.disabled_s)}
        for one in tokens
    ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        state = f"disabled {row['disabled_utc']}" if row["disabled_utc"] else ""
        more = f"{row['scopes']} until {row['ends_utc']}" if row["scopes"] else ""
        typer.echo(f"{row['kind']:<7}{row['name']:<41}{row['role']:<14}{more} {state}".rstrip())


@app.command()
def audit(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="newest records shown")] = 50,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> int:
    """Who has read or done what of whom; exit code 1 where the log was changed."""
    with open_reader(build_settings(database_url=database_url).database_url) as store:
        entries, broken = store.read(lambda c: (list_records(c, limit=limit), first_broken(c)))
    for entry in reversed(entries):
        row = {"no": entry.no, "at_utc": _utc(entry.record.at_us // 1_000_000)}
        row |= {
            name: getattr(entry.record, name) for name in ("account", "origin", "whose", "task")
        }
        if as_json:
            typer.echo(json.dumps(row | {"hash": entry.hash.hex()}, ensure_ascii=False))
        else:
            typer.echo("  ".join(str(value) for value in row.values()))
    if broken is not None:
        typer.echo(f"audit log: record {broken} was changed, put in or taken out", err=True)
        return 1
    return 0


def _write(
    database_url: str | None,
    task: str | Callable[[Result], str],
    name: str,
    unit: Callable[[Connection], Result],
) -> Result:
    """What the unit returns; who did it on this machine stands in the audit log with it.

    `task` says what was done, or tells it from what the unit returned.
    """
    who = f"command line, {getpass.getuser()}"

    def both(connection: Connection) -> Result:
        found = unit(connection)
        said = task if isinstance(task, str) else task(found)
        append_record(connection, Record(time.time_ns() // 1000, who, "this machine", name, said))
        return found

    with writer(database_url) as store:
        return store.write(both)


def _ask_password() -> str:
    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    line = sys.stdin.readline().rstrip("\n")
    if not line:
        raise StoreError("password: found none on standard input, allowed one line")
    return line


def _utc(at_s: int | None) -> str | None:
    return None if at_s is None else iso_of(at_s)

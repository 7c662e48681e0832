"""`microgrid doctor`: is this installation fit to run, and what to do where it is not.

It reads only: settings, machine, store and keys as they are; a running service is not disturbed.
What a start would refuse it asks of the same functions.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import orjson
import psutil
import typer

from energy.cli.settings import AsJson, DatabaseUrl, District
from energy.config import Settings, build_settings, shown_url
from energy.daemon.clocks import STEP_S_MAX
from energy.district import DistrictError, load_district
from energy.steps.books import head_file_of, market_id_of, require_own_books
from energy.steps.floors import below_floors
from energy.steps.keystore import KEYSTORE_NAME
from energy.steps.upkeep import BACKLOG_SLOTS_MAX, books_trouble
from energy.store.alarms import open_alarms
from energy.store.engine import Store, open_reader, parse_url
from energy.store.errors import StoreError
from energy.store.leader import somebody_leads
from energy.store.meta import find_fact
from energy.store.slots import last_published, unsettled_slots
from energy.store.space import file_of, free_gib
from energy.store.sqlite import sqlite3, wal_is_safe
from energy.timegrid import iso_of
from energy.units import SLOT_S
from grid_models import GridError, check_network
from market.errors import MarketError
from market.signing import decrypt_key, require_native_backend

MEMORY_GIB_MIN = 2.0
DISK_GIB_MIN = 20.0
SIGNS = {"good": "●", "warning": "▲", "bad": "■"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `state` good, warning or bad; `todo` is empty where good."""

    what: str
    state: str
    found: str
    todo: str = ""


def doctor(
    district: District = None, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> int:
    """Look an installation over; exit code 1 where something must be done before it can run."""
    settings = build_settings(district=district, database_url=database_url)
    findings = [finding for look in LOOKS for finding in look(settings)]
    if as_json:
        typer.echo(orjson.dumps([asdict(each) for each in findings]).decode())
    else:
        for each in findings:
            typer.echo(f"{SIGNS[each.state]} {each.what}: {each.found}")
            if each.todo:
                typer.echo(f"    {each.todo}")
    return 1 if any(each.state == "bad" for each in findings) else 0


def _program(_settings: Settings) -> Iterator[Finding]:
    yield Finding("Python", "good", sys.version.split()[0])
    names = ("pandapower", "highspy", "pyomo", "sqlalchemy", "apscheduler", "eth-account")
    yield Finding("packages", "good", ", ".join(f"{name} {version(name)}" for name in names))
    todo = "Install the versions of the project's lock; the service does not start with these."
    for sentence in below_floors():
        yield Finding("version", "bad", sentence, todo)
    try:
        require_native_backend()
    except MarketError as error:
        todo = "Install coincurve from the project's lock; the service does not start without it."
        yield Finding("signatures", "bad", str(error), todo)
    else:
        yield Finding("signatures", "good", "fast and strict")


def _machine(settings: Settings) -> Iterator[Finding]:
    memory_gib = psutil.virtual_memory().total / 2**30
    enough = memory_gib >= MEMORY_GIB_MIN
    yield Finding(
        "memory",
        "good" if enough else "warning",
        f"{memory_gib:.1f} GiB",
        "" if enough else f"The full district takes up to {MEMORY_GIB_MIN:g} GiB.",
    )
    place = _store_folder(settings)
    free, least = free_gib(place), settings.disk_free_gib_min
    state = "bad" if free < least else "warning" if free < DISK_GIB_MIN else "good"
    yield Finding(
        "disk",
        state,
        f"{free:,.1f} GiB free at {place}, an alarm below {least:g}",
        "" if state == "good" else "A day of the full district takes about 0.4 GiB; make room.",
    )


def _keys(settings: Settings) -> Iterator[Finding]:
    if settings.operator_passphrase:
        path = settings.store_folder / KEYSTORE_NAME
        if not path.exists():
            yield Finding("keystore", "good", f"{path} is made at the first start")
            return
        try:
            decrypt_key(path.read_text(encoding="utf-8"), settings.operator_passphrase)
        except (MarketError, OSError, ValueError) as error:
            todo = "Correct MICROGRID_OPERATOR_PASSPHRASE, or put the store's own keystore there."
            yield Finding("keystore", "bad", f"{path}: {error}", todo)
        else:
            yield Finding("keystore", "good", f"{path} is there and opens")
    elif settings.clock == "real":
        yield Finding(
            "keystore",
            "bad",
            "no passphrase: the operator's keys follow from the market's name",
            "Set MICROGRID_OPERATOR_PASSPHRASE before the first start.",
        )
    else:
        yield Finding("keystore", "good", "keys of the demonstration, which anybody can derive")


def _settings(settings: Settings) -> Iterator[Finding]:
    # The service's machinery takes seconds to load; other commands do without it.
    from energy.service import REQUIRED, ServiceError

    for what, require in REQUIRED.items():
        try:
            require(settings)
        except (ServiceError, StoreError) as error:
            yield Finding(what, "bad", str(error), "The service does not start with this setting.")
        else:
            yield Finding(what, "good", "as the service wants it")


def _district(settings: Settings) -> Iterator[Finding]:
    try:
        found = load_district(settings.district)
    except (DistrictError, GridError) as error:
        yield Finding("district", "bad", str(error), "Correct MICROGRID_DISTRICT or its files.")
        return
    broken = check_network(found.network)
    yield Finding(
        "district",
        "bad" if broken else "good",
        f"{found.id}: {found.households:,} households, {len(found.network.buses.id):,} buses"
        + "".join(f"; {each}" for each in broken[:3]),
        "Correct the network's tables." if broken else "",
    )


def _store(settings: Settings) -> Iterator[Finding]:
    url = settings.database_url
    if parse_url(url).get_backend_name() == "sqlite":
        yield _sqlite_version()
        if not Path(str(parse_url(url).database)).exists():
            yield _store_to_make(settings)
            return
    try:
        with open_reader(url) as store:
            yield from _in_store(store, settings)
            yield from _start(store, settings)
    except StoreError as error:
        yield Finding("store", "bad", str(error), "The loop cannot run on this store.")


def _store_to_make(settings: Settings) -> Finding:
    """That there is no file yet; bad where heads of its log are signed already."""
    where = shown_url(settings.database_url)
    try:
        heads = head_file_of(market_id_of(load_district(settings.district), settings), settings)
        signed = None if heads is None else heads.read()
    except (DistrictError, GridError):
        signed = None  # a finding of its own
    except StoreError as error:
        return Finding("store", "bad", str(error), "The service does not start without it.")
    if signed is None:
        return Finding("store", "good", f"{where}: is made at the first start")
    found = f"{where}: no file, though the head of {iso_of(signed.tick)} is signed"
    return Finding("store", "bad", found, "Put the newest copy of the store in its place.")


def _sqlite_version() -> Finding:
    if wal_is_safe(sqlite3.sqlite_version_info):
        return Finding("SQLite", "good", f"{sqlite3.sqlite_version}, with a write-ahead log")
    return Finding(
        "SQLite",
        "warning",
        f"{sqlite3.sqlite_version} may corrupt a write-ahead log; a rollback journal is used",
        "Readers wait a little longer for writers; 3.51.3 and later have the write-ahead log.",
    )


def _in_store(store: Store, settings: Settings) -> Iterator[Finding]:
    begun = store.read(lambda connection: find_fact(connection, "district"))
    last = store.read(last_published)
    yield Finding(
        "store",
        "good",
        f"district {begun}, last slot {'none' if last is None else iso_of(last)}",
    )
    if settings.clock == "real" and last is not None:
        yield _age(time.time() - last, store.read(somebody_leads))
    waiting = len(store.read(lambda connection: unsettled_slots(connection, before=2**62)))
    behind = waiting > BACKLOG_SLOTS_MAX
    yield Finding(
        "settlement",
        "warning" if behind else "good",
        f"{waiting} slots wait",
        "Slots settle two later; more than a few mean that readings or the loop are missing."
        if behind
        else "",
    )
    unsound = store.read(books_trouble)
    if unsound is not None and not behind:
        yield Finding("books", "bad", unsound, "Run microgrid ledger verify; call the maintainers.")
    for each in store.read(open_alarms):
        state = "bad" if each.alarm.severity == "alarm" else "warning"
        yield Finding(f"alarm at {each.alarm.where}", state, each.alarm.what, each.alarm.todo)


def _start(store: Store, settings: Settings) -> Iterator[Finding]:
    """Whether the service would start on this store, as far as can be seen without writing."""
    try:
        district = load_district(settings.district)
        store.read(lambda connection: require_own_books(connection, district, settings))
    except (DistrictError, GridError):
        return  # a finding of its own
    except (StoreError, MarketError, OSError) as error:
        yield Finding("start", "bad", str(error), "The service does not start on this store.")
    else:
        yield Finding("start", "good", "district, seed, signed head and keys are the store's own")


def _age(age_s: float, led: bool) -> Finding:
    if age_s < -STEP_S_MAX:
        found = f"the newest slot lies {-age_s / 3600:,.1f} h ahead of the machine's time"
        return Finding("clock", "bad", found, "Compare the machine's time with another.")
    slots = age_s / SLOT_S
    if slots <= 2:
        return Finding("loop", "good", "the newest slot is of this quarter hour")
    todo = "Look at the service's log." if led else "Start the service: microgrid up --clock real."
    return Finding("loop", "bad", f"no slot for {slots:,.0f} quarter hours", todo)


def _store_folder(settings: Settings) -> Path:
    path = file_of(settings.database_url)
    return settings.store_folder if path is None else path.parent


LOOKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _program,
    _machine,
    _keys,
    _settings,
    _district,
    _store,
)

"""`microgrid ledger`: prove the books, write them out, hand out proofs, show their head.

But for `anchor`, `erase`, `identity` and `import` nothing is written to the store, and all others
work beside a running loop.
"""

import gzip
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sqlalchemy import Connection

from energy.cli.anchors import anchor
from energy.cli.participants import erase, identity
from energy.cli.settings import AsJson, DatabaseUrl, parse_month
from energy.config import build_settings
from energy.steps.archiving import csv_of, import_lines, read_lines, write_parquet_of
from energy.steps.books import collector_at_rest
from energy.steps.ledger_files import (
    beancount_lines,
    checkpoint_lines,
    csv_lines,
    json_lines,
    write_parquet,
)
from energy.steps.proving import (
    Totals,
    add_up,
    count_ticks,
    export_lines,
    helpers_of_machine,
    lines_of_store,
)
from energy.steps.receipts import Prover
from energy.steps.witnessing import HeadStatus, status_of, trusted_witnesses
from energy.store.checkpoints import CheckpointRow, last_checkpoint
from energy.store.engine import Store, open_reader, open_store
from energy.store.errors import StoreError
from energy.timegrid import iso_of, parse_instant
from energy.units import SLOT_S, krw_text_from_ukrw
from market.labels import Label
from market.transfers import LedgerId
from market.verifier import Report, tell, verify_export, verify_files, verify_online

app = typer.Typer(
    help="The books: verify, audit, export, receipt, trust, head, anchor, identity, erase, import.",
    no_args_is_help=True,
)
app.command()(anchor)
app.command()(erase)
app.add_typer(identity, name="identity")

Line = TypeVar("Line", str, str | bytes)

UNITS = {LedgerId.KRW: "KRW", LedgerId.ENERGY: "kWh", LedgerId.POINTS: "points"}
UNUSABLE = 2
STANDARD_OUTPUT = Path("-")

Registrar = Annotated[
    str | None, typer.Option(help="address of the first key as it was published, 0x…")
]


@app.command()
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="an export or a proof; default: the store")
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(help="trust root, for proofs and logs of checkpoints")
    ] = None,
    database_url: DatabaseUrl = None,
    registrar: Registrar = None,
    online: Annotated[
        str | None, typer.Option(help="node of the chain that an anchor's block is asked for")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Prove books or a proof offline: exit code 0 proven, 1 refuted, 2 no usable input."""
    if trust is not None:
        if file is None:
            raise StoreError("verify: found a trust root alone, allowed a proof beside it")
        return _verify_proof(trust, file, online, as_json=as_json)
    if file is not None:
        report, first_key = _verify_file(file)
    else:
        with _reader(database_url) as store:
            beside = helpers_of_machine() > 0
            lines = _shown(lines_of_store(store, beside=beside), store.read(count_ticks))
            report, first_key = _verify(lines)
    trusted = registrar is None or registrar == first_key
    if as_json:
        typer.echo(json.dumps(_report_document(report, first_key, trusted), indent=1))
    else:
        _print_report(report, first_key, registrar)
    if report.ok and trusted:
        return 0
    return 1 if report.usable else UNUSABLE


@app.command()
def audit(database_url: DatabaseUrl = None, as_json: AsJson = False) -> int:
    """Add up every transfer anew: debits equal credits in each ledger, balances as kept."""
    with _reader(database_url) as store:
        totals = store.read(add_up)
    if as_json:
        typer.echo(json.dumps(_totals_document(totals), indent=1))
    else:
        for ledger, amount in totals.turnover.items():
            typer.echo(f"{LedgerId(ledger).name:<8} {_shown_amount(ledger, amount):>24} moved")
        for name in totals.findings:
            typer.echo(f"wrong: {name}")
        typer.echo(f"{totals.transfers} transfers: " + ("all adds up" if totals.ok else "refuted"))
    return 0 if totals.ok else 1


class ExportFormat(StrEnum):
    """What is written: the whole book, the log alone, tables of transfers, a journal."""

    VERIFIER = "verifier"
    VERIFIER_CSV = "verifier-csv"
    VERIFIER_PARQUET = "verifier-parquet"
    CHECKPOINTS = "checkpoints"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    BEANCOUNT = "beancount"


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="file; .gz is compressed; - is the output")],
    format_: Annotated[
        ExportFormat, typer.Option("--format", help="verifier: everything, to be proven")
    ] = ExportFormat.VERIFIER,
    database_url: DatabaseUrl = None,
) -> None:
    """Write the books out, for the offline verifier and for whoever wants to keep them."""
    with _reader(database_url) as store, collector_at_rest():
        if format_ == ExportFormat.PARQUET:
            _whole(file, lambda scratch: write_parquet(store, scratch))
            return
        if format_ == ExportFormat.VERIFIER_PARQUET:
            _whole(file, lambda scratch: write_parquet_of(export_lines(store), scratch))
            return
        lines = _lines(store, format_)
        if file == STANDARD_OUTPUT:
            sys.stdout.buffer.writelines(line.encode() + b"\n" for line in lines)
            return
        shown = _shown(lines, store.read(count_ticks))

        def write(scratch: Path) -> None:
            with _sink(scratch, compressed=file.suffix == ".gz") as sink:
                for line in shown:
                    sink.write(line.encode() + b"\n")

        _whole(file, write)


def _lines(store: Store, format_: ExportFormat) -> Iterator[str]:
    """The lines of a format."""
    makers = {
        ExportFormat.VERIFIER: export_lines,
        ExportFormat.VERIFIER_CSV: lambda books: csv_of(export_lines(books)),
        ExportFormat.CHECKPOINTS: checkpoint_lines,
        ExportFormat.JSONL: json_lines,
        ExportFormat.CSV: csv_lines,
        ExportFormat.BEANCOUNT: beancount_lines,
    }
    return makers[format_](store)


def _whole(file: Path, write: Callable[[Path], None]) -> None:
    """All of the file or nothing of it."""
    if file == STANDARD_OUTPUT:
        raise StoreError("export: this format needs a file")
    scratch = file.with_name(file.name + ".part")
    try:
        write(scratch)
        scratch.replace(file)
    except OSError as error:
        raise StoreError(f"export {file}: cannot be written: {error.strerror}") from error
    typer.echo(f"{file}: {file.stat().st_size} bytes")


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="an export for the verifier: JSON lines (.gz), .csv, .parquet")
    ],
    database_url: DatabaseUrl = None,
    registrar: Registrar = None,
) -> None:
    """Keep somebody else's books in a new store, if they prove; all of them or nothing."""
    settings = build_settings(database_url=database_url)
    lines = read_lines(file)
    first = next(lines, "")
    if registrar is not None and f'"registrar":"{registrar}"' not in first:
        raise StoreError(f"import {file}: the first key is not {registrar}")
    with open_store(settings.database_url) as store, collector_at_rest():
        report = import_lines(store, chain([first], lines))
    typer.echo(f"{file}: proven and kept, {report.checks['checkpoint root']} ticks")


@app.command()
def receipt(
    entry: Annotated[str | None, typer.Option(help="id of an entry: that it is in")] = None,
    account: Annotated[
        str | None, typer.Option(help="account: everything that names it, its balances")
    ] = None,
    slot: Annotated[
        str | None,
        typer.Option(help="start of a slot: its balance; with --entry: of a reading or transfer"),
    ] = None,
    clearing: Annotated[
        str | None, typer.Option(help="start of a slot: its auction with all rows")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="green or local; with --clearing: the label's auction")
    ] = None,
    conflict: Annotated[
        str | None, typer.Option(help="id of a refused message: fraud, a nonce used twice")
    ] = None,
    since: Annotated[
        int | None, typer.Option(help="older size of the log: that it is a beginning")
    ] = None,
    bill: Annotated[
        str | None, typer.Option(help="a billed month, 2026-07; with --account: its bill")
    ] = None,
    out: Annotated[Path, typer.Option(help="file; - is the output")] = STANDARD_OUTPUT,
    database_url: DatabaseUrl = None,
) -> None:
    """Write one proof that anybody can verify alone, with the trust root."""
    if bill is not None and account is None:
        raise typer.BadParameter("--bill: found no --account, allowed beside one")
    if label is not None and clearing is None:
        raise typer.BadParameter("--label: found no --clearing, allowed beside one")
    claims = (entry, account, clearing, conflict, since, None if entry else slot)
    if sum(one is not None for one in claims) != 1:
        raise typer.BadParameter(
            "name one of --entry, --account, --slot, --clearing, --conflict, --since"
        )

    def prove(connection: Connection) -> bytes:
        prover, start = Prover(connection), None if slot is None else _slot_of(slot)
        if entry is not None:
            return prover.entry(_hex32(entry, "--entry"), start)
        if account is not None and bill is not None:
            return prover.bill(_hex32(account, "--account"), parse_month(bill))
        if account is not None:
            return prover.account(_hex32(account, "--account"))
        if clearing is not None:
            return prover.clearing(_slot_of(clearing), _label_of(label))
        if conflict is not None:
            return prover.conflict(_hex32(conflict, "--conflict"))
        if since is not None:
            return prover.consistency(since)
        assert start is not None
        return prover.slot(start)

    with _reader(database_url) as store:
        _write(out, store.read(prove))


@app.command()
def entries(
    account: Annotated[str, typer.Option(help="account, 0x…")],
    slot: Annotated[str, typer.Option(help="start of the slot")],
    database_url: DatabaseUrl = None,
) -> None:
    """List an account's orders, readings and transfers of a slot with their ids."""
    who, start = _hex32(account, "--account"), _slot_of(slot)
    with _reader(database_url) as store:
        found = store.read(lambda connection: Prover(connection).entries_of(who, start))
    for name, id_ in found:
        typer.echo(f"{name:<9} 0x{id_.hex()}")


@app.command()
def trust(
    out: Annotated[Path, typer.Option(help="file; - is the output")] = STANDARD_OUTPUT,
    database_url: DatabaseUrl = None,
) -> None:
    """Write the trust root: what verifiers must know from elsewhere."""
    with _reader(database_url) as store:
        who = trusted_witnesses(build_settings())
        _write(out, store.read(lambda connection: Prover(connection).trust(who)))


@app.command()
def head(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """The newest signed head of the log."""
    who = trusted_witnesses(build_settings())

    def find(connection: Connection) -> tuple[CheckpointRow, HeadStatus]:
        found = last_checkpoint(connection)
        if found is None:
            raise StoreError("books: found no checkpoint, allowed a store that the loop has begun")
        return found, status_of(connection, found, who)

    with _reader(database_url) as store:
        found, status = store.read(find)
    if as_json:
        document = {**_head_document(found), "status": status.value}
        typer.echo(json.dumps(document, indent=1))
    else:
        typer.echo(found.note, nl=False)


def _verify_proof(trust: Path, file: Path, online: str | None, *, as_json: bool) -> int:
    try:
        report = verify_files(trust, file)
        report = report if online is None else verify_online(report, online)
    except OSError as error:
        raise StoreError(f"proof {file}: cannot be read: {error}") from error
    if as_json:
        typer.echo(json.dumps(_report_document(report, "", True), indent=1))
        return 0 if report.ok else 1 if report.usable else UNUSABLE
    return tell(report)


def _write(out: Path, document: bytes) -> None:
    if out == STANDARD_OUTPUT:
        sys.stdout.buffer.write(document)
        return
    try:
        out.write_bytes(document)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written: {error.strerror}") from error


def _slot_of(text: str) -> int:
    slot = parse_instant(text, "UTC")
    if slot % SLOT_S:
        raise StoreError(f"slot {text}: allowed the start of a quarter hour")
    return slot


def _label_of(text: str | None) -> Label:
    names = {one.name.lower(): one for one in Label if one}
    if text is not None and text not in names:
        raise typer.BadParameter(f"--label: found {text!r}, allowed {' or '.join(names)}")
    return Label.NONE if text is None else names[text]


def _hex32(text: str, name: str) -> bytes:
    if not re.fullmatch(r"0x[0-9a-f]{64}", text):
        raise typer.BadParameter(f"{name}: allowed 0x and 64 lower-case hex digits")
    return bytes.fromhex(text[2:])


def _reader(database_url: str | None) -> Store:
    return open_reader(build_settings(database_url=database_url).database_url)


def _verify_file(file: Path) -> tuple[Report, str]:
    try:
        with _source(file) as source:
            return _verify(source)
    except (OSError, EOFError) as error:
        raise StoreError(f"export {file}: cannot be read: {error}") from error


def _verify(lines: Iterable[str | bytes]) -> tuple[Report, str]:
    """The verdict, and the first key's address as the header has it."""
    source = iter(lines)
    first = next(source, b"")
    report = verify_export(_again(first, source), helpers_of_machine())
    try:
        return report, str(json.loads(first)["registrar"])
    except (ValueError, KeyError, TypeError):
        return report, ""


def _again(first: str | bytes, rest: Iterator[str | bytes]) -> Iterator[str | bytes]:
    if first:
        yield first
    yield from rest


def _shown(lines: Iterator[Line], ticks: int) -> Iterator[Line]:
    """The lines, with a bar on the error stream while they pass where a person looks on."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from lines
        return
    columns = (TextColumn("ticks"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("ticks", total=ticks)
        for line in lines:
            if _is_checkpoint(line):
                progress.advance(task)
            yield line


def _is_checkpoint(line: str | bytes) -> bool:
    head = line[:24]
    return '"line":"checkpoint"' in (head if isinstance(head, str) else head.decode())


def _source(file: Path) -> BinaryIO:
    return gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb")  # type: ignore[return-value]


def _sink(file: Path, *, compressed: bool) -> BinaryIO:
    return gzip.open(file, "wb", 6) if compressed else file.open("wb")  # type: ignore[return-value]


def _print_report(report: Report, first_key: str, registrar: str | None) -> None:
    for check, count in sorted(report.checks.items()):
        typer.echo(f"ok  {count:>10}  {check}")
    failure = report.first_failure
    if failure is not None:
        word = "refuted" if report.usable else "unusable"
        typer.echo(f"{word}: line {failure.line}: {failure.check}: {failure.message}")
    elif registrar is not None and registrar != first_key:
        typer.echo(f"refuted: line 1: registrar: found {first_key}, allowed {registrar}")
    else:
        typer.echo("proven" if registrar else f"proven, if the first key is {first_key}")


def _report_document(report: Report, first_key: str, trusted: bool) -> dict[str, Any]:
    failure = report.first_failure
    return {
        "proven": report.ok and trusted,
        "usable": report.usable,
        "registrar": first_key,
        "checks": dict(sorted(report.checks.items())),
        "failure": None if failure is None else vars(failure),
    }


def _totals_document(totals: Totals) -> dict[str, Any]:
    return {
        "adds_up": totals.ok,
        "transfers": totals.transfers,
        "turnover": {
            LedgerId(ledger).name: _shown_amount(ledger, amount)
            for ledger, amount in totals.turnover.items()
        },
        "findings": list(totals.findings),
    }


def _shown_amount(ledger: int, amount: int) -> str:
    """Won, kWh or points as a decimal string with the unit."""
    text = f"{amount / 1000:.3f}" if ledger == LedgerId.ENERGY else krw_text_from_ukrw(amount)
    return f"{text} {UNITS[LedgerId(ledger)]}"


def _head_document(found: CheckpointRow) -> dict[str, Any]:
    return {
        "tick_utc": iso_of(found.tick),
        "size": found.size,
        "root": found.root.hex(),
        "accounts_root": found.accounts_root.hex(),
        "previous": found.previous.hex(),
        "digest": found.digest.hex(),
        "signer": "0x" + found.signer.hex(),
        "note": found.note,
    }

"""The verifier passes a clean export, names each planted fault, and shares no code."""

import ast
import base64
import json
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from market import verifier
from market.ledger import Transfer, sort_and_merge, system_account
from market.signing import derive_key, high_s_twin, sign

SOURCE = Path(verifier.__file__)
MARKET, SLOT = "sejong-5-1/sim/test", 1_790_001_000
SELLER, BUYER, STRANGER = b"\x51" * 32, b"\xb2" * 32, b"\xc3" * 32
POOL, BALANCING, GRID, SPC = (
    system_account(MARKET, name) for name in ("POOL", "BALANCING", "GRID", "SPC")
)
Lines = tuple[str, ...]
BatchEdit = Callable[[list[Transfer]], list[Transfer]]


def changed(lines: Lines, kind: str, edit: Callable[[dict[str, Any]], None], nth: int = 0) -> Lines:
    """The lines with the nth one of this kind (or entry type) edited."""
    seen, out = 0, []
    for line in lines:
        found = json.loads(line)
        if kind == (found["type"] if found["line"] == "entry" else found["line"]):
            if seen == nth:
                edit(found)
            seen += 1
        out.append(json.dumps(found))
    assert seen > nth
    return tuple(out)


def test_a_clean_export_is_proven_with_every_check_used(clean_lines: Lines) -> None:
    report = verifier.verify_export(clean_lines)
    assert report.ok, report.first_failure
    for check in (
        "signature", "key role", "transfers root", "readings root", "pool closes in KRW",
        "pool closes in ENERGY", "pending ends once", "reverse once", "meter", "set root", "book",
        "checkpoint root", "checkpoint accounts_root", "checkpoint previous",
        "checkpoint signature", "ledger sums to zero",
    ):  # fmt: skip
        assert report.checks[check] > 0, check


def flip_hex(name: str) -> Callable[[dict[str, Any]], None]:
    def edit(found: dict[str, Any]) -> None:
        last = "1" if found[name][-1] == "0" else "0"
        found[name] = found[name][:-1] + last

    return edit


def set_message(name: str, text: str) -> Callable[[dict[str, Any]], None]:
    def edit(found: dict[str, Any]) -> None:
        found["message"][name] = text

    return edit


def twin(found: dict[str, Any]) -> None:
    row = found["signatures"][0]
    row["signature"] = "0x" + high_s_twin(bytes.fromhex(row["signature"][2:])).hex()


def one_wh_more(found: dict[str, Any]) -> None:
    raw = bytearray(base64.b64decode(found["rows"]))
    raw[84] ^= 1  # the last byte of the amount of the first row
    found["rows"] = base64.b64encode(raw).decode()


def drop_last_row(found: dict[str, Any]) -> None:
    found["rows"] = base64.b64encode(base64.b64decode(found["rows"])[:-225]).decode()


def without_readings(found: dict[str, Any]) -> None:
    found["readings"] = ""


def another_size(found: dict[str, Any]) -> None:
    lines = found["note"].split("\n")
    lines[1] = str(int(lines[1]) + 1)
    found["note"] = "\n".join(lines)


def signed_by_another(found: dict[str, Any]) -> None:
    *body, line, _ = found["note"].split("\n")
    name, signed = line.split(" ")[1:]
    forged = base64.b64decode(signed)[:4] + sign(derive_key("thief"), bytes(32))
    text = base64.b64encode(forged).decode()
    found["note"] = "\n".join([*body, f"— {name} {text}", ""])


def flip_reading(at: int) -> Callable[[dict[str, Any]], None]:
    def edit(found: dict[str, Any]) -> None:
        raw = bytearray(base64.b64decode(found["rows"]))
        raw[at] ^= 1
        found["rows"] = base64.b64encode(raw).decode()

    return edit


def double_reading(found: dict[str, Any]) -> None:
    raw = base64.b64decode(found["rows"])
    found["rows"] = base64.b64encode(raw + raw[:226]).decode()


def lose_reading(found: dict[str, Any]) -> None:
    found["rows"] = base64.b64encode(base64.b64decode(found["rows"])[226:]).decode()


DAMAGES = [
    ("registrar of another", "header", flip_hex("registrar"), 0, "key role"),
    ("operator of another", "header", flip_hex("operator"), 0, "key role"),
    ("salt of another entry", "Order", flip_hex("salt"), 0, "book"),
    ("blinded name changed", "account", flip_hex("blind"), 0, "checkpoint accounts_root"),
    ("energy of an order", "Order", set_message("e_wh", "501"), 0, "signature"),
    ("high-s twin", "Reading", twin, 0, "signature"),
    ("orders of the clearing", "Clearing", set_message("orders", "3"), 0, "signature"),
    ("amount of a transfer", "transfers", one_wh_more, 0, "transfers root"),
    ("transfer left out", "transfers", drop_last_row, 1, "transfers root"),
    ("readings left out", "transfers", without_readings, 1, "readings root"),
    ("energy of a metered row", "rows", flip_reading(79), 0, "set root"),
    ("signature of a metered row", "rows", flip_reading(150), 0, "set root"),
    ("signer of a metered row", "rows", flip_reading(110), 0, "key role"),
    ("a metered row twice", "rows", double_reading, 0, "unique"),
    ("a metered row lost", "rows", lose_reading, 0, "set root"),
    ("size of a checkpoint", "checkpoint", another_size, 1, "checkpoint size"),
    ("checkpoint of a thief", "checkpoint", signed_by_another, 2, "checkpoint signature"),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: str(damage[0]))
def test_an_edited_line_is_refuted_by_name(clean_lines: Lines, damage: Any) -> None:
    _, kind, edit, nth, check = damage
    report = verifier.verify_export(changed(clean_lines, kind, edit, nth))
    assert not report.ok and report.usable
    assert report.first_failure is not None and report.first_failure.check == check


def test_a_reading_signed_by_nobody_is_refuted_though_all_roots_fit(
    monkeypatch: pytest.MonkeyPatch, small_market: Any
) -> None:
    from market import readings

    honest = readings.sign_readings

    def forged(*given: Any) -> Any:
        batch = honest(*given)
        wrong = [*batch.signatures[:-1], batch.signatures[0]]
        return readings.ReadingBatch(batch.readings, batch.ids, batch.signers, wrong, batch.salts)

    monkeypatch.setattr(sys.modules[type(small_market()).__module__], "sign_readings", forged)
    lines = small_market().lines
    for helpers in (0, 1):
        report = verifier.verify_export(lines, helpers)
        assert report.first_failure is not None
        assert report.first_failure.check == "signature"
        line = json.loads(lines[report.first_failure.line - 1])
        assert (line["line"], line["type"]) == ("rows", "Reading")


@pytest.fixture
def packed_lines(monkeypatch: pytest.MonkeyPatch, small_market: Any) -> Lines:
    """The same market with its orders in rows."""
    monkeypatch.setattr("market.export.PACKED_FROM", 1)
    return tuple(small_market().lines)


def test_orders_in_rows_prove_the_same(clean_lines: Lines, packed_lines: Lines) -> None:
    assert not any(json.loads(line).get("type") == "Order" and '"entry"' in line
                   for line in packed_lines)  # fmt: skip
    report, singly = verifier.verify_export(packed_lines), verifier.verify_export(clean_lines)
    per_line = {"set complete"}
    assert report.ok and report.checks.keys() == singly.checks.keys()
    for check in report.checks.keys() - per_line:
        assert report.checks[check] == singly.checks[check], check
    notes = [
        [line for line in lines if "checkpoint" in line[:22]]
        for lines in (packed_lines, clean_lines)
    ]
    assert notes[0] == notes[1]


def test_one_bit_of_an_order_in_a_row_is_refuted(packed_lines: Lines) -> None:
    at = next(n for n, line in enumerate(packed_lines) if '"type":"Order"' in line)
    found = json.loads(packed_lines[at])
    raw = base64.b64decode(found["rows"])
    assert len(raw) == 2 * 239
    for place in range(0, len(raw), 3):
        damaged = bytearray(raw)
        damaged[place] ^= 1 << place % 8
        line = json.dumps({**found, "rows": base64.b64encode(damaged).decode()})
        report = verifier.verify_export((*packed_lines[:at], line, *packed_lines[at + 1 :]))
        assert not report.ok and report.usable, place
    strange = json.dumps({**found, "type": "Transfer"})
    report = verifier.verify_export((*packed_lines[:at], strange, *packed_lines[at + 1 :]))
    assert not report.usable


def test_helpers_come_to_the_same_report(clean_lines: Lines) -> None:
    assert verifier.verify_export(clean_lines, 2) == verifier.verify_export(clean_lines)
    damaged = changed(clean_lines, "rows", flip_reading(79))
    assert verifier.verify_export(damaged, 2) == verifier.verify_export(damaged)


def is_logged(line: str) -> bool:
    kind = json.loads(line).get("type")
    return kind is not None and kind not in ("Order", "Reading")


def test_a_lost_line_is_never_proven(clean_lines: Lines) -> None:
    for n in range(len(clean_lines)):
        assert not verifier.verify_export(clean_lines[:n] + clean_lines[n + 1 :]).ok, n


def test_a_doubled_line_is_never_proven_but_for_a_name(clean_lines: Lines) -> None:
    for n, line in enumerate(clean_lines):
        report = verifier.verify_export(
            (*clean_lines[:n], *clean_lines[n : n + 1], *clean_lines[n:])
        )
        assert report.ok == (json.loads(line)["line"] == "account"), line


def test_swapped_entries_of_the_log_are_never_proven(clean_lines: Lines) -> None:
    for n in range(len(clean_lines) - 1):
        left, right = clean_lines[n : n + 2]
        if is_logged(left) and is_logged(right):
            lines = (*clean_lines[:n], right, left, *clean_lines[n + 2 :])
            assert not verifier.verify_export(lines).ok, (left, right)


def test_one_random_byte_changed_is_never_proven(clean_lines: Lines) -> None:
    rng = random.Random(20260101)
    text = "\n".join(clean_lines).encode()
    for _ in range(150):
        at = rng.randrange(len(text))
        other = rng.choice([b for b in range(32, 127) if b != text[at]])
        damaged = text[:at] + bytes([other]) + text[at + 1 :]
        assert not verifier.verify_export(damaged.split(b"\n")).ok, (at, text[at - 40 : at + 40])


def one_place_changed(found: Any, rng: random.Random) -> Any:
    """The JSON value with one thing in it changed to another of its form."""
    if isinstance(found, dict):
        name = rng.choice(sorted(found))
        return {**found, name: one_place_changed(found[name], rng)}
    if isinstance(found, list):
        if not found or rng.random() < 0.1:
            return [*found, {}]
        at = rng.randrange(len(found))
        return [*found[:at], one_place_changed(found[at], rng), *found[at + 1 :]]
    return changed_text(str(found), rng)


def changed_text(text: str, rng: random.Random) -> str:
    if text.startswith("0x"):
        raw = bytearray.fromhex(text[2:])
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        return "0x" + raw.hex()
    if text.isdecimal():
        return str(int(text) + rng.choice([1, 900, 2**20]))
    if len(text) > 60 and "\n" not in text:
        raw = bytearray(base64.b64decode(text))
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        return base64.b64encode(raw).decode()
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice("aA0 -") + text[at:]


def test_one_field_changed_anywhere_is_refuted_and_located(clean_lines: Lines) -> None:
    rng, tried = random.Random(20260715), 0
    places = {json.loads(line)["line"] for line in clean_lines}
    seen = set()
    for number, line in enumerate(clean_lines):
        for _ in range(10):
            found = json.loads(line)
            damaged = one_place_changed(found, rng)
            if damaged == found:
                continue
            lines = (*clean_lines[:number], json.dumps(damaged), *clean_lines[number + 1 :])
            report = verifier.verify_export(lines)
            assert not report.ok, (line, damaged)
            assert report.first_failure is not None
            # What is wrong shows where it stands, or at the first root above it.
            assert report.first_failure.line >= number + 1 or number == 0, report
            tried += 1
            seen.add(found["line"])
    assert tried >= 300 and seen == places


def dearer(code: int) -> Callable[[list[Transfer]], list[Transfer]]:
    def edit(batch: list[Transfer]) -> list[Transfer]:
        return [t._replace(amount=t.amount - (t.code == code)) for t in batch]

    return edit


def ended_twice(batch: list[Transfer]) -> list[Transfer]:
    post = next(t for t in batch if t.kind == 3)
    return [*batch, post._replace(code=12)]


def never_ended(batch: list[Transfer]) -> list[Transfer]:
    return [t._replace(kind=1, pending=bytes(32)) if t.code == 11 else t for t in batch]


def absurd_energy(batch: list[Transfer]) -> list[Transfer]:
    return [t._replace(amount=2**64) if (t.ledger, t.code) == (2, 30) else t for t in batch]


def wrong_original(batch: list[Transfer]) -> list[Transfer]:
    return [t._replace(amount=t.amount + (t.kind == 5)) for t in batch]


def more(*transfers: Transfer) -> BatchEdit:
    """Moves more than there is to move."""
    return lambda batch: sort_and_merge([*batch, *transfers])


def underpaid(batch: list[Transfer]) -> list[Transfer]:
    """Pays the seller a won less than its energy is worth; the pool closes all the same."""
    less = {(10, SELLER): -(10**6), (13, BALANCING): 10**6}
    return [
        one._replace(amount=one.amount + less.get((one.code, one.credit), 0) * (one.ledger == 1))
        for one in batch
    ]


def dearly_set_aside(batch: list[Transfer]) -> list[Transfer]:
    """Reserves more than the fills of the buyer cost."""
    return [one._replace(amount=one.amount + (one.debit == BUYER)) for one in batch]


LIES = [
    (
        "energy that no meter has seen",
        1,
        more(Transfer(2, 1, 30, GRID, STRANGER, 50_000, SLOT, 1)),
        "meter",
    ),
    ("trade beside its price", 1, underpaid, "trade at its price"),
    ("more set aside than filled", 0, dearly_set_aside, "reserved as filled"),
    ("energy before it is metered", 0, more(Transfer(2, 1, 10, SELLER, POOL, 5, SLOT, 0)), "scope"),
    ("a bill in a slot", 1, more(Transfer(1, 1, 31, BUYER, SPC, 7, SLOT, 1)), "scope"),
    ("pool keeps money", 1, dearer(13), "pool closes in KRW"),
    ("pending ended twice", 1, ended_twice, "pending ends once"),
    ("pending left open", 1, never_ended, "no pending left"),
    ("reversal of another amount", 2, wrong_original, "reverse once"),
    ("more energy than there is", 1, absurd_energy, "transfer well formed"),
    ("energy beside the meter", 1, dearer(30), "meter"),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: str(lie[0]))
def test_a_well_signed_lie_of_the_operator_is_refuted(small_market: Any, lie: Any) -> None:
    _, version, edit, check = lie
    report = verifier.verify_export(small_market({version: edit}).lines)
    assert report.first_failure is not None and report.first_failure.check == check, report


@pytest.mark.parametrize(
    ("scope", "row", "check"),
    [
        (2, Transfer(2, 1, 23, GRID, SELLER, 50_000, SLOT, 1), "contract paid"),
        (2, Transfer(2, 1, 31, GRID, SELLER, 50_000, SLOT, 1), "scope"),
        (2, Transfer(1, 1, 30, SELLER, SPC, 7_000, SLOT, 1), "scope"),
        (2, Transfer(1, 1, 31, SELLER, SPC, 7_000, SLOT + 900, 1), "transfer once"),
        (3, Transfer(2, 1, 30, GRID, SELLER, 50_000, SLOT, 1), "settlement version"),
        (3, Transfer(1, 1, 31, SELLER, SPC, 7_000, SLOT, 1), "settlement version"),
        (4, Transfer(1, 1, 31, SELLER, SPC, 7_000, SLOT, 1), "settlement version"),
    ],
)
def test_what_moves_in_another_scope_than_its_own_is_refuted(
    small_market: Any, scope: int, row: Transfer, check: str
) -> None:
    market = small_market()
    market.settle_beside(scope, [row])
    report = verifier.verify_export(market.lines)
    assert report.first_failure is not None and report.first_failure.check == check, report


def test_a_bill_beside_the_slots_is_proven(small_market: Any) -> None:
    market = small_market()
    market.settle_beside(2, [Transfer(1, 1, 31, SELLER, SPC, 7_000, SLOT, 1)])
    assert verifier.verify_export(market.lines).ok


def test_a_correction_holds_for_the_readings_that_it_names_alone(
    small_market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = small_market.__globals__["SmallMarket"]
    honest = kind.entry

    def entry(market: Any, name: str, message: dict[str, Any], *names: str) -> Any:
        odd = {"evidence": bytes(31) + b"\x01"} if name == "Correction" else {}
        return honest(market, name, message | odd, *names)

    monkeypatch.setattr(kind, "entry", entry)
    report = verifier.verify_export(small_market().lines)
    assert report.first_failure is not None
    assert report.first_failure.check == "settlement version"


def test_plain_keccak_and_curve_give_the_same_answers(
    clean_lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verifier._NATIVE_KECCAK and verifier._NATIVE_PUBLIC_KEY
    native = verifier.verify_export(clean_lines)
    monkeypatch.setattr(verifier, "_NATIVE_KECCAK", None)
    monkeypatch.setattr(verifier, "_NATIVE_KECCAK_MANY", None)
    monkeypatch.setattr(verifier, "_NATIVE_PUBLIC_KEY", None)
    assert verifier.verify_export(clean_lines) == native
    rng = random.Random(5)
    for size in (0, 1, 135, 136, 137, 272, 384):
        messages = [rng.randbytes(size) for _ in range(300)]
        from market.entries import keccak256

        assert verifier.keccak_plain(messages) == [keccak256(message) for message in messages]


def test_the_verifier_stands_alone() -> None:
    tree = ast.parse(SOURCE.read_text())
    tops = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            tops |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            tops.add(str(node.module).split(".")[0])
    assert tops - sys.stdlib_module_names == {"coincurve", "Crypto"}


@pytest.mark.parametrize(("damage", "code"), [(None, 0), ("refuted", 1), ("unusable", 2)])
def test_the_program_answers_by_exit_code(
    clean_lines: Lines, tmp_path: Path, damage: str | None, code: int
) -> None:
    lines = clean_lines
    if damage == "refuted":
        lines = changed(lines, "Order", set_message("e_wh", "501"))
    if damage == "unusable":
        lines = (*lines[:3], "{", *lines[3:])
    path = tmp_path / "export.jsonl"
    path.write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [sys.executable, "-I", str(SOURCE), str(path)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr == ""


def test_rows_of_writer_and_verifier_have_one_layout() -> None:
    from market.export import ROW, ROWS

    assert verifier.ROW.format == ROW.format
    assert {name: kind.row.format for name, kind in verifier.ROW_TYPES.items()} == ROWS
    assert struct.calcsize(ROW.format) == 225
    assert [struct.calcsize(one) for one in ROWS.values()] == [239, 133, 226]

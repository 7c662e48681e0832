"""Hundreds of damaged files at the market's commands: one sentence each, nothing half-cleared.

Bytes flipped, lost, doubled; columns and keys gone; numbers beyond all bounds; other encodings. A
file that is still whole after it may be used. What is refused says so in one line on the error
stream, with exit code 1 or 2 and not a byte of result; nothing ends in a traceback.
"""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from energy.cli import run

FILES_EACH = 250
ORDERS = """order,participant,side,e_wh,price_mkrw_per_kwh,zone,digest
a,kim,bid,600,200000,1,0x{:064x}
b,lee,bid,500,150000,1,0x{:064x}
c,park,bid,400,150000,2,0x{:064x}
e,jung,offer,700,80000,2,0x{:064x}
f,kang,offer,900,120000,1,0x{:064x}
""".format(*range(1, 6))
RULES = """version = 2
floor_mkrw_per_kwh = 0
cap_mkrw_per_kwh = 500000
tick_mkrw_per_kwh = 1000
orders_max = 20
"""
NETWORK = """version = 4
zones = [{ zone = 1, node = 1 }, { zone = 2, sell_node = 2, buy_node = 3 }]
links = [
  { from = 1, to = 2, both_ways = true, fee_mkrw_per_kwh = 8000, capacity_wh = 900 },
  { from = 2, to = 3, fee_mkrw_per_kwh = 2000 },
]
"""
HUGE = [
    "9" * 19, "9" * 400, "9" * 5_000, "1e400", "-1", "0", "nan", "inf", "1.5", "0x10", "１２３",
    "true", "[]", '""', "9223372036854775808", "-9223372036854775809", "1_000", "00012", " ",
    "null", "[" * 9_999,
]  # fmt: skip
ODD = ["\0", "\ufeff", "\n", "\r", '"', "'", ",", "#", "=", "{", "}", "\u202e", "é", "\U0001f600"]
ENCODINGS = ["utf-16", "utf-32", "cp949", "latin-1", "utf-8-sig", "utf-7"]


def flip_a_byte(text: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(text))
    return text[:at] + bytes([text[at] ^ (1 << rng.randrange(8))]) + text[at + 1 :]


def lose_a_part(text: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(text))
    return text[:at] + text[at + rng.randint(1, 40) :]


def end_early(text: bytes, rng: Random) -> bytes:
    return text[: rng.randrange(len(text))]


def double_a_part(text: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(text))
    return text[: at + rng.randint(1, 60)] + text[at:]


def put_in_something_odd(text: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(ODD).encode() + text[at:]


def change_a_number(text: bytes, rng: Random) -> bytes:
    words = text.decode()
    places = [n for n, letter in enumerate(words) if letter.isdigit()]
    begin = end = rng.choice(places)
    while end < len(words) and words[end].isdigit():
        end += 1
    return (words[:begin] + rng.choice(HUGE) + words[end:]).encode()


def rename_a_word(text: bytes, rng: Random) -> bytes:
    words = text.decode().replace(",", " , ").replace(":", " : ").split(" ")
    words[rng.randrange(len(words))] = rng.choice(["", "colour", "zone", "[", "1"])
    return " ".join(words).replace(" , ", ",").replace(" : ", ":").encode()


def write_it_otherwise(text: bytes, rng: Random) -> bytes:
    return text.decode().encode(rng.choice(ENCODINGS), errors="replace")


def swap_lines(text: bytes, rng: Random) -> bytes:
    lines = text.splitlines(keepends=True)
    lines.insert(rng.randrange(len(lines) + 1), lines.pop(rng.randrange(len(lines))))
    return b"".join(lines)


DAMAGES: list[Callable[[bytes, Random], bytes]] = [
    flip_a_byte, lose_a_part, end_early, double_a_part, put_in_something_odd, change_a_number,
    rename_a_word, write_it_otherwise, swap_lines,
]  # fmt: skip


def damaged(text: str, rng: Random) -> bytes:
    """One damage, sometimes two."""
    found = text.encode()
    for _ in range(rng.choice([1, 1, 1, 2])):
        damage = rng.choice(DAMAGES)
        try:
            found = damage(found, rng) or b"\n"
        except (UnicodeDecodeError, IndexError):
            return found
    return found


def whole_files(folder: Path) -> dict[str, Path]:
    """Orders, rules, network, and the result that they lead to."""
    texts = {"orders.csv": ORDERS, "rules.toml": RULES, "network.toml": NETWORK}
    paths = {name: folder / name for name in [*texts, "result.json"]}
    for name, text in texts.items():
        paths[name].write_text(text, encoding="utf-8")
    return paths


def flags_of(paths: dict[str, Path]) -> list[str]:
    return ["--rules", str(paths["rules.toml"]), "--network", str(paths["network.toml"])]


def require_one_sentence(code: int, out: str, err: str, what: str) -> None:
    """Exit code 2, one line on the error stream, nothing else."""
    assert code == 2, what
    assert out == "", f"{what}: {out[:200]}"
    assert err.startswith("microgrid: ") and err.count("\n") == 1 and err.endswith("\n"), (
        f"{what}: {err}"
    )
    assert len(err) > 25 and "Traceback" not in err


@pytest.mark.parametrize("name", ["orders.csv", "rules.toml", "network.toml"])
def test_damaged_orders_rules_and_networks_clear_whole_or_not_at_all(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths, refused = whole_files(tmp_path), 0
    good = paths[name].read_text(encoding="utf-8")
    for number in range(FILES_EACH):
        paths[name].write_bytes(damaged(good, Random(f"{name} {number}")))
        words = ["market", "clear", str(paths["orders.csv"]), "--json", *flags_of(paths)]
        code = run(words)
        said = capsys.readouterr()
        if code == 0:
            document = json.loads(said.out)
            assert said.err == "" and "certificate" in document
            continue
        refused += 1
        require_one_sentence(code, said.out, said.err, f"{name} {number}")
    assert refused > FILES_EACH // 3


@pytest.mark.parametrize("name", ["orders.csv", "rules.toml", "network.toml", "result.json"])
def test_damaged_files_are_refuted_or_refused_and_never_proven_wrongly(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = whole_files(tmp_path)
    assert run(["market", "clear", str(paths["orders.csv"]), "--json", *flags_of(paths)]) == 0
    result = capsys.readouterr().out
    paths["result.json"].write_text(result, encoding="utf-8")
    good, codes = paths[name].read_text(encoding="utf-8"), set()
    for number in range(FILES_EACH):
        paths[name].write_bytes(damaged(good, Random(f"verify {name} {number}")))
        words = ["market", "verify", str(paths["orders.csv"]), str(paths["result.json"])]
        code = run([*words, *flags_of(paths)])
        said = capsys.readouterr()
        codes.add(code)
        if code == 0:
            assert said.out == "proven: 5 orders\n" and said.err == ""
        elif code == 1:
            assert said.out.endswith("refuted\n") and said.err == ""
        else:
            require_one_sentence(code, said.out, said.err, f"{name} {number}")
    assert {1, 2} <= codes or name in ("rules.toml", "orders.csv")
    assert 2 in codes


WRONG_WORDS = [
    "", " ", "-1", "1.5", "1e3", "nan", "inf", "九", "１２", "9" * 30, "0x10", "July", "2026",
    "2026-7", "2026-00", "2026-13", "0000-01", "9999-12", "10000-01", "2026-07-15", "x" * 500,
    "\u202e", "residential", "../terms", "None", "[]", "--", "1,2,3", "1,2", ",,", "1,-2,3",
]  # fmt: skip


def test_wrong_words_for_a_bill_get_one_sentence_or_the_use_of_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rng, good = Random(6), {"--tariff": "residential-lv", "--kwh": "350", "--month": "2026-07"}
    for number in range(FILES_EACH):
        words = dict(good)
        for flag in rng.sample([*good, "--kw", "--bands"], rng.choice([1, 1, 2])):
            words[flag] = rng.choice(WRONG_WORDS)
        code = run(["bill", *[word for pair in words.items() for word in pair], "--json"])
        said = capsys.readouterr()
        if code == 0:
            assert json.loads(said.out)["total_krw"] >= 0 and said.err == ""
            continue
        assert code == 2 and said.out == "", f"{number} {words}"
        assert "Traceback" not in said.err and said.err.strip()
        if said.err.startswith("microgrid: "):
            assert said.err.count("\n") == 1, said.err
        else:  # what typer itself refuses: a text that is no number
            assert "Invalid value" in said.err or "Missing" in said.err or "Error" in said.err

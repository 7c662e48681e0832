"""`microgrid market clear`, `market verify` and `bill`: results, and one sentence for bad files."""

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

from energy.cli import run

HEADER = "order,participant,side,e_wh,price_mkrw_per_kwh,zone"
EXAMPLE = f"""{HEADER}
a,kim,bid,600,200000,1
b,lee,bid,500,150000,1
c,park,bid,400,150000,1
d,choi,bid,300,90000,1
e,jung,offer,700,80000,1
f,kang,offer,500,120000,1
g,cho,offer,900,170000,1
"""


def write(folder: Path, text: str, name: str = "orders.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def clear(path: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> dict[str, Any]:
    assert run(["market", "clear", str(path), "--json", *flags]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_book_clears_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = clear(write(tmp_path, EXAMPLE), capsys)
    (zone,) = document["zones"]
    assert (zone["zone"], zone["price_mkrw_per_kwh"], zone["traded_wh"]) == (1, 150_000, 1_200)
    assert (zone["price_low"], zone["price_high"]) == (150_000, 150_000)
    accepted = {row["order"]: (row["accepted_wh"], row["status"]) for row in document["orders"]}
    assert list(accepted) == list("abcdefg")
    assert accepted["a"] == (600, "FILLED") and accepted["g"] == (0, "NOT_CLEARED")
    assert accepted["b"][0] + accepted["c"][0] == 600
    assert accepted["b"][1] == "PARTIAL"


def test_the_order_of_lines_does_not_matter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header, *lines = EXAMPLE.strip().splitlines()
    random.Random(3).shuffle(lines)
    one = clear(write(tmp_path, EXAMPLE), capsys)
    other = clear(write(tmp_path, "\n".join([header, *lines])), capsys)
    assert one["certificate"] == other["certificate"]


def test_zones_clear_apart_or_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"{HEADER}\na,kim,bid,500,120000,east\nb,lee,offer,500,90000,west\n"
    path = write(tmp_path, text)
    apart = clear(path, capsys)
    assert [zone["price_mkrw_per_kwh"] for zone in apart["zones"]] == [None, None]
    joined = clear(path, capsys, "--joined")
    assert [zone["zone"] for zone in joined["zones"]] == ["east", "west"]
    assert [zone["price_mkrw_per_kwh"] for zone in joined["zones"]] == [105_000, 105_000]
    assert [(z["bought_wh"], z["sold_wh"]) for z in joined["zones"]] == [(500, 0), (0, 500)]


def test_a_result_is_proven_and_a_changed_one_refuted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, EXAMPLE)
    document = clear(path, capsys)
    result = write(tmp_path, json.dumps(document), "result.json")
    assert run(["market", "verify", str(path), str(result)]) == 0
    assert "proven: 7 orders" in capsys.readouterr().out
    document["orders"][1]["accepted_wh"] += 1
    document["orders"][2]["accepted_wh"] -= 1
    write(tmp_path, json.dumps(document), "result.json")
    assert run(["market", "verify", str(path), str(result)]) == 1
    said = capsys.readouterr().out
    assert "largest remainder: found 300 got a Wh more, allowed 600" in said
    assert said.endswith("refuted\n")


def test_the_table_is_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["market", "clear", str(write(tmp_path, EXAMPLE))]) == 0
    said = capsys.readouterr().out
    assert "BID_MARGIN" in said and "volume 1,200 Wh, welfare 94 won" in said


def test_a_digest_is_the_tag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = EXAMPLE.strip().splitlines()
    rows = [f"{line},0x{n:064x}" for n, line in enumerate(lines[1:], 1)]
    path = write(tmp_path, "\n".join([lines[0] + ",digest", *rows]))
    assert clear(path, capsys)["volume_wh"] == 1_200


BAD_ORDERS = [
    ("a,kim,bid,600,200000", "line 2: more or fewer fields"),
    ("a,kim,bid,600,200000,1,9", "line 2: more or fewer fields"),
    ("a,kim,both,600,200000,1", "line 2: side: found 'both', allowed bid or offer"),
    ("a,kim,bid,0,200000,1", "line 2: e_wh: found '0', allowed a whole number 1..100000000"),
    ("a,kim,bid,-5,200000,1", "line 2: e_wh: found '-5'"),
    ("a,kim,bid,1e3,200000,1", "line 2: e_wh: found '1e3'"),
    ("a,kim,bid,600.0,200000,1", "line 2: e_wh: found '600.0'"),
    ("a,kim,bid,100000001,200000,1", "line 2: e_wh: found '100000001'"),
    ("a,kim,bid,600,nan,1", "price_mkrw_per_kwh: found 'nan', allowed a whole number"),
    ("a,kim,bid,600,-1,1", "price_mkrw_per_kwh: found '-1', allowed 0 to 1000000"),
    ("a,kim,bid,600,1000001,1", "price_mkrw_per_kwh: found '1000001'"),
    (",kim,bid,600,200000,1", "line 2: order: found '', allowed a name"),
    ("a,kim,bid,600,200000, ", "line 2: zone: found ' ', allowed a name"),
    ("a,kim,bid,600,200000,1\n\na,kim,bid,1,1,1", "line 4: order 'a' stands in line 2 too"),
]


@pytest.mark.parametrize(("line", "sentence"), BAD_ORDERS)
def test_a_bad_line_gets_one_sentence_and_nothing_is_cleared(
    line: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, f"{HEADER}\n{line}\n")
    assert run(["market", "clear", str(path), "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err and said.err.count("\n") == 1
    assert str(path) in said.err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("order,participant,side,e_wh,zone\n", "column 'price_mkrw_per_kwh' is missing"),
        (f"{HEADER},colour\n", "column 'colour' is unknown"),
        (f"{HEADER},zone\n", "column 'zone' is unknown or stands twice"),
        ("", "column 'order' is missing"),
        (f"{HEADER},digest\na,kim,bid,1,1,1,0x12\n", "digest: found '0x12', allowed 0x and 64"),
        (f'{HEADER}\n"a,kim', "cannot be read as CSV"),
    ],
)
def test_a_bad_file_gets_one_sentence(
    text: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["market", "clear", str(write(tmp_path, text))]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1


def test_bytes_that_are_no_text_and_files_that_are_not_there_get_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(b"\xff\xfe\x00order")
    assert run(["market", "clear", str(path)]) == 2
    assert "cannot be read as CSV" in capsys.readouterr().err
    assert run(["market", "clear", str(tmp_path / "none.csv")]) == 2
    assert "cannot be read as CSV" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ("tick_mkrw_per_kwh = 40000", "price_mkrw_per_kwh: found '150000', allowed a multiple"),
        ("cap_mkrw_per_kwh = 160000", "found '200000', allowed 0 to 160000"),
        ("tick_mkrw_per_kwh = 0", "tick_mkrw_per_kwh is 0"),
        ("ceiling = 5", "unknown key 'ceiling'"),
        ("tick_mkrw_per_kwh = ", "cannot be read as TOML"),
    ],
)
def test_rules_bind_the_file_and_bad_rules_get_one_sentence(
    rules: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, file = write(tmp_path, EXAMPLE), write(tmp_path, rules, "rules.toml")
    assert run(["market", "clear", str(path), "--rules", str(file)]) == 2
    said = capsys.readouterr()
    assert sentence in said.err and said.err.count("\n") == 1 and said.out == ""


def test_negative_prices_are_cleared_where_the_rules_allow_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{HEADER}\na,kim,bid,500,-10000,1\nb,lee,offer,500,-30000,1\n"
    file = write(tmp_path, "allow_negative = true", "rules.toml")
    document = clear(write(tmp_path, text), capsys, "--rules", str(file))
    assert document["zones"][0]["price_mkrw_per_kwh"] == -20_000


@pytest.mark.parametrize(
    "text", ["[]", "{}", "{", '{"certificate": {}, "orders": []}', "[" * 9_999, '{"orders": 5}']
)
def test_a_result_that_is_none_gets_one_sentence(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, result = write(tmp_path, EXAMPLE), write(tmp_path, text, "result.json")
    assert run(["market", "verify", str(path), str(result)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("accepted", ["600.0", "6e2", "true", '"600"', "null", "{}", "NaN"])
def test_an_accepted_quantity_that_is_no_whole_number_is_never_proven(
    accepted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, EXAMPLE)
    text = json.dumps(clear(path, capsys)).replace(
        '"accepted_wh": 600', f'"accepted_wh": {accepted}'
    )
    assert run(["market", "verify", str(path), str(write(tmp_path, text, "result.json"))]) == 2
    said = capsys.readouterr()
    assert "orders[0]: found" in said.err and said.err.count("\n") == 1 and said.out == ""


@pytest.mark.parametrize("slot", ["-900", "7", "18446744073709551616"])
def test_a_slot_that_is_none_gets_one_sentence(
    slot: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["market", "clear", str(write(tmp_path, EXAMPLE)), "--slot", slot]) == 2
    said = capsys.readouterr().err
    assert f"slot: found {slot}, allowed a multiple of 900" in said and said.count("\n") == 1


def test_ten_thousand_orders_clear_and_are_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, out = random.Random(1), io.StringIO()
    table = csv.writer(out)
    table.writerow(HEADER.split(","))
    for n in range(10_000):
        side = rng.choice(["bid", "offer"])
        row = [f"o{n}", f"p{n % 3000}", side, rng.randint(1, 5_000), rng.randint(50, 250) * 1_000]
        table.writerow([*row, n % 12])
    path = write(tmp_path, out.getvalue())
    document = clear(path, capsys)
    assert len(document["zones"]) == 12
    result = write(tmp_path, json.dumps(document), "result.json")
    assert run(["market", "verify", str(path), str(result)]) == 0


def test_a_bill_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bill", "--tariff", "residential-lv", "--kwh", "363", "--month", "2024-08"]
    assert run([*words, "--json"]) == 0
    bill = json.loads(capsys.readouterr().out)
    assert (bill["total_krw"], bill["vat_krw"], bill["fund_krw"]) == (63_610, 5_620, 1_790)
    assert bill["lines"][2]["amount_krw"] == "13519.8"
    assert run(words) == 0
    assert "63,610 won" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--kwh", "-1", "--month", "2026-07"], "-1 kWh, allowed"),
        (["--kwh", "5", "--month", "2026-13"], "month: found '2026-13', allowed YYYY-MM"),
        (["--kwh", "5", "--month", "July"], "month: found 'July', allowed YYYY-MM"),
        (["--kwh", "5", "--month", "2019-01"], "nothing for 2019-01-01, allowed 2023-05-16"),
        (["--kwh", "5", "--month", "2026-07", "--bands", "1,2"], "bands: found '1,2'"),
        (["--kwh", "5", "--month", "2026-07", "--tariff", "x"], "tariff 'x' is unknown"),
    ],
)
def test_a_bill_that_cannot_be_gets_one_sentence(
    flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bill", "--tariff", "residential-lv", *flags]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1


TWO_ZONES = f"""{HEADER}
a,kim,offer,2000,60000,1
b,lee,bid,500,130000,1
c,park,offer,800,140000,2
d,choi,bid,1500,180000,2
"""
LINKS = """version = 4
zones = [{ zone = 1, node = 1 }, { zone = 2, node = 2 }]
links = [{ from = 1, to = 2, both_ways = true, fee_mkrw_per_kwh = 8000, capacity_wh = 900 }]
"""


def test_zones_clear_over_links_with_fees_and_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = write(tmp_path, TWO_ZONES)
    links = str(write(tmp_path, LINKS, "network.toml"))
    document = clear(orders, capsys, "--network", links)
    prices = {zone["zone"]: zone["price_mkrw_per_kwh"] for zone in document["zones"]}
    assert prices == {1: 60_000, 2: 140_000}
    assert [(zone["bought_wh"], zone["sold_wh"]) for zone in document["zones"]] == [
        (500, 1_400),
        (1_500, 600),
    ]
    assert [link["flow_wh"] for link in document["links"]] == [900, 0]
    assert document["network_fee_ukrw"] == 7_200_000
    assert document["congestion_rent_ukrw"] == 64_800_000
    assert document["certificate"]["network_version"] == 4
    result = write(tmp_path, json.dumps(document), "result.json")
    assert run(["market", "verify", str(orders), str(result), "--network", links]) == 0
    assert "proven: 4 orders" in capsys.readouterr().out
    assert run(["market", "verify", str(orders), str(result)]) == 1
    wider = str(write(tmp_path, LINKS.replace("900", "901"), "wider.toml"))
    assert run(["market", "verify", str(orders), str(result), "--network", wider]) == 1
    assert "links" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("links", "flags", "sentence"),
    [
        ("zones = 3", [], "network: zones is 3, allowed a list of tables"),
        ("zones = [", [], "cannot be read as TOML"),
        (LINKS, ["--joined"], "--joined and --network both given, allowed one"),
        ("zones = [{ zone = 1, node = 1 }]", [], "line 4: network: zone 2 is unknown, allowed: 1"),
    ],
)
def test_a_bad_network_file_gets_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    links: str,
    flags: list[str],
    sentence: str,
) -> None:
    orders = write(tmp_path, TWO_ZONES)
    path = str(write(tmp_path, links, "network.toml"))
    assert run(["market", "clear", str(orders), "--network", path, *flags]) != 0
    errors = capsys.readouterr().err
    assert sentence in errors and errors.count("\n") == 1

"""Each fault that a market is known to have, planted into a copy of `market/`: tests turn red.

The copy is made beside the tests that watch it; a process of its own runs them against it. That a
fault is planted at all is checked too: its place must be there, once. The same tests are green
without a fault.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import market

ROOT = Path(__file__).parents[2]
SOURCES = Path(str(market.__file__)).parent


class Fault(NamedTuple):
    """Texts to be replaced by file, and the tests of which every one must fail."""

    patches: tuple[tuple[str, str, str], ...]
    red: tuple[str, ...]


AUCTION = "test_auction_properties.py::test_it_is_what_the_definition_says"
CHECK = "test_certificate_rejects.py::test_every_true_clearing_is_proven"
PAPER = "test_call_auction.py::test_the_book_clears_as_on_paper"
TWO_SETTLEMENT = "test_settlement_slot.py::test_it_equals_the_two_settlement_formula"
ZONES = "test_zones.py::test_every_clearing_is_proven_and_its_books_close"

FAULTS = {
    "the marginal group is never filled in part": Fault(
        (
            (
                "clearing.py",
                "fill_wh[group] = _shares(book, group, last.filled_wh, last.open_wh)",
                "fill_wh[group] = 0",
            ),
        ),
        (AUCTION, PAPER, CHECK),
    ),
    "the price is that of the last offer": Fault(
        (("clearing.py", "min(max((low + high) // 2, rules", "min(max(offer.key, rules"),),
        (AUCTION, PAPER, CHECK),
    ),
    "the middle is cut towards zero": Fault(
        (("clearing.py", "(low + high) // 2", "int((low + high) / 2)"),),
        (AUCTION, PAPER, "test_no_floats.py"),
    ),
    "the middle of zones is cut towards zero": Fault(
        (("zonal.py", "(low + high) // 2", "-(-(low + high) // 2) if low + high < 0 else "
                                           "(low + high) // 2"),),
        (ZONES, "test_zones.py::test_zones_with_free_unlimited_links_clear_like_one_zone"),
    ),
    "ties go by arrival": Fault(
        (
            ("book.py", "    ordered = sorted(rows)\n",
             "    rows = list(rows)\n    ARRIVED.update({row.tag: n for n, row in "
             "enumerate(rows)})\n    ordered = sorted(rows)\n"),
            ("book.py", "        place = self.slot.to_bytes(8, \"big\") + self.root + tag\n",
             "        return ARRIVED[tag].to_bytes(32, \"big\")\n"
             "        place = self.slot.to_bytes(8, \"big\") + self.root + tag\n"),
            ("book.py", "_BOOK_ROW = ", "ARRIVED: dict = {}\n_BOOK_ROW = "),
        ),
        (AUCTION, CHECK, "test_auction_properties.py::test_the_order_of_arrival_is_no_input"),
    ),
    "the fee is charged after matching": Fault(
        (("zonal.py", "min(link.capacity_wh, most_wh), link.fee_mkrw_per_kwh)",
          "min(link.capacity_wh, most_wh), 0)"),),
        (ZONES, "test_zones.py::test_welfare_is_that_of_a_linear_program"),
    ),
    "orders at one price are merged and lost": Fault(
        (("clearing.py", "    rows, key = rows[order], key[order]\n",
          "    key, first = np.unique(key[order], return_index=True)\n"
          "    rows = rows[order][first]\n"),),
        (AUCTION, PAPER, CHECK),
    ),
    "the import of a meter that also exports is ignored": Fault(
        (("settlement.py", "readings.import_wh.copy(), readings.export_wh.copy()\n    place = ",
          "np.where(readings.export_wh > 0, 0, readings.import_wh), readings.export_wh.copy()\n"
          "    place = "),),
        (TWO_SETTLEMENT, "test_settlement_slot.py::test_every_wh_is_booked_once_and_the_budget"
                         "_closes"),
    ),
    "an estimate is penalised": Fault(
        (
            ("settlement.py", "if row is not None and readings.quality[row] == ESTIMATED:",
             "if row is None:"),
            ("settlement.py", "estimated = readings.quality[row] == ESTIMATED",
             "estimated = False"),
        ),
        ("test_settlement_slot.py::test_an_estimate_never_causes_a_deviation",
         "test_late_news.py::test_news_in_any_order_end_where_timely_readings_would_have"),
    ),
    "a reversal carries the wrong version": Fault(
        (("settlement.py", "                version=inputs.version,\n                pending=id_,",
          "                version=old.version,\n                pending=id_,"),),
        ("test_settlement_slot.py::test_a_late_reading_touches_its_account_and_the_balancing_alone",
         "test_late_news.py::test_news_in_any_order_end_where_timely_readings_would_have"),
    ),
    "VAT is taken of the truncated total": Fault(
        (("bill.py", "vat = (subtotal * tariff.vat_ppm * 2 + PPM) // (2 * PPM)",
          "vat = (subtotal // 10 * 10 * tariff.vat_ppm * 2 + PPM) // (2 * PPM)"),),
        ("test_bill_vectors.py::test_the_bill_is_right_to_the_won",
         "test_bill_properties.py::test_the_bill_is_that_of_fractions_cut_where_the_rule_cuts"),
    ),
    "shares are floats": Fault(
        (("clearing.py", "product // open_wh, product % open_wh",
          "np.floor(product / open_wh).astype(np.int64), product % open_wh"),),
        ("test_no_floats.py", "test_auction_edges.py::test_quantities_up_to_int64_are_exact"),
    ),
    "welfare is a float": Fault(
        (("clearing.py", "return int(price @ e_wh)", "return int(float(price @ e_wh) * 1.0)"),
         ("clearing.py", "return sum(p * e for p, e in zip(price.tolist(), e_wh.tolist(), "
                         "strict=True))", "return int(price.astype(float) @ e_wh.astype(float))")),
        ("test_no_floats.py", "test_auction_edges.py::test_quantities_up_to_int64_are_exact"),
    ),
    "amounts are floats": Fault(
        (("settlement.py", "lines.add(_KRW_TRADE, pool, account, done.given_wh * price)",
          "lines.add(_KRW_TRADE, pool, account, round(done.given_wh / 1000 * price) * 1000)"),),
        ("test_no_floats.py", TWO_SETTLEMENT),
    ),
}  # fmt: skip


def copy_of_the_market(folder: Path) -> None:
    """The library, its tests and references, as they stand, without what was compiled."""
    nothing = shutil.ignore_patterns("__pycache__", "ledger")
    shutil.copytree(SOURCES, folder / "market", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "market", folder / "tests" / "market", ignore=nothing)
    shutil.copytree(ROOT / "tests" / "reference", folder / "tests" / "reference", ignore=nothing)
    shutil.copy(ROOT / "pyproject.toml", folder)


def run_tests(folder: Path, tests: list[str]) -> subprocess.CompletedProcess[str]:
    """pytest in a process of its own, in which `market` is the folder's copy."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
        "CI": "",
        "PLANTED_FAULT": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=no", "-rA",
         *(f"tests/market/{one}" for one in tests)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_turns_tests_red(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    copy_of_the_market(tmp_path)
    for file, old, new in fault.patches:
        path = tmp_path / "market" / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file}: the place of the fault is not there once: {old}"
        path.write_text(text.replace(old, new), encoding="utf-8")
    done = run_tests(tmp_path, list(fault.red))
    assert done.returncode == 1, done.stdout + done.stderr
    for test in fault.red:
        assert f"FAILED tests/market/{test}" in done.stdout, f"{test} saw nothing\n{done.stdout}"


@pytest.mark.slow
def test_without_a_fault_the_same_tests_are_green(tmp_path: Path) -> None:
    copy_of_the_market(tmp_path)
    watching = sorted({test for fault in FAULTS.values() for test in fault.red})
    done = run_tests(tmp_path, watching)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tmp_path}" not in done.stderr

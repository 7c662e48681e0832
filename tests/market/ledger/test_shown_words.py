"""What people read of a signed message says the same as its whole numbers."""

from typing import Any

import pytest

from market.books import Entry
from market.proofs import display_of
from market.transfers import ZERO32


@pytest.mark.parametrize(
    ("name", "message", "shown"),
    [
        ("Order", {"limit_mkrw_per_kwh": 104_300, "quantity_wh": 1_250, "nonce": 7},
         {"limit_krw_per_kwh": "104.3", "quantity_kwh": "1.25"}),
        ("Order", {"limit_mkrw_per_kwh": -5, "quantity_wh": 100_000},
         {"limit_krw_per_kwh": "-0.005", "quantity_kwh": "100"}),
        ("Instruction", {"day_cap_wh": 20_000, "day_cap_ukrw": 3_000_055_000},
         {"day_cap_kwh": "20", "day_cap_krw": "3000.055"}),
        ("Transfer", {"ledger": 1, "amount": 1}, {"amount_krw": "0.000001"}),
        ("Transfer", {"ledger": 2, "amount": 1_001}, {"amount_kwh": "1.001"}),
        ("Transfer", {"ledger": 3, "amount": 1_500_000}, {"amount_points": "1.5"}),
        ("Reading", {"amount": 9}, {}),
    ],
)  # fmt: skip
def test_prices_are_in_won_energy_in_kwh_and_amounts_in_their_unit(
    name: str, message: dict[str, Any], shown: dict[str, str]
) -> None:
    assert display_of(Entry(name, message, ZERO32, (), (), ZERO32)) == shown

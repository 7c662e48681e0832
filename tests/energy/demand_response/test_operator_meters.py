"""The operator's account in an event: the sum of its meters, no better known than the worst."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from energy.steps.dr_baselines import MeteredSlot, OperatorMeters, of_accounts

OPERATOR, BATTERY, PUMP, HOME = (letter * 32 for letter in (b"O", b"B", b"P", b"H"))
BOOKS: Any = SimpleNamespace(
    book=SimpleNamespace(number={OPERATOR: 0, BATTERY: 1, PUMP: 2, HOME: 3})
)


@pytest.mark.parametrize(
    ("battery", "pump", "worst"),
    [(1, 1, 1), (1, 2, 2), (2, 3, 2), (3, 1, 1), (3, 3, 3), (0, 1, 0), (2, 0, 0)],
)
def test_the_operator_is_known_as_well_as_its_worst_meter(
    battery: int, pump: int, worst: int
) -> None:
    metered = MeteredSlot(np.array([0, -700, 250, 90]), np.array([0, battery, pump, 1]))
    operator = OperatorMeters(OPERATOR, (BATTERY, PUMP))
    net_wh, quality = of_accounts(metered, BOOKS, operator, [HOME, OPERATOR])
    assert net_wh.tolist() == [90, -450] and quality.tolist() == [1, worst]


def test_an_operator_without_meters_is_not_known() -> None:
    metered = MeteredSlot(np.array([0]), np.array([1]))
    _, quality = of_accounts(metered, BOOKS, OperatorMeters(OPERATOR, ()), [OPERATOR])
    assert quality.tolist() == [0]

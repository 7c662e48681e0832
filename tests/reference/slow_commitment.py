"""The cheapest runs of units, by trying all of them: the definition, at its price."""

from itertools import product

import numpy as np


def keeps_times(on: tuple[int, ...], *, min_up: int, min_down: int) -> bool:
    """Whether a unit that was off for long keeps its minimum times within the slots."""
    state, age = 0, 10**9
    for now in on:
        if now != state:
            if age < (min_up if state else min_down):
                return False
            state, age = now, 0
        age += 1
    return True


def cheapest_distance(
    wanted: np.ndarray, count: int, start: float, *, min_up: int, min_down: int
) -> float:
    """Least sum over levels of |on - share of the level| and of `start` per start."""
    runs = [
        on
        for on in product((0, 1), repeat=len(wanted))
        if keeps_times(on, min_up=min_up, min_down=min_down)
    ]
    total = 0.0
    for level in range(count):
        share = np.clip(wanted - level, 0.0, 1.0)
        total += min(
            sum(np.abs(np.array(on) - share))
            + start * sum(b > a for a, b in zip((0, *on), on, strict=False))
            for on in runs
        )
    return float(total)

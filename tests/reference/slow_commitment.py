"""The cheapest run of a unit, by trying all of them: the definition, at its price."""

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


def cheapest_distance(wanted: np.ndarray, start: float, *, min_up: int, min_down: int) -> float:
    """Least sum of |on - wanted| and of `start` per start."""
    return min(
        float(np.abs(np.array(on) - wanted).sum())
        + start * sum(after > before for before, after in zip((0, *on), on, strict=False))
        for on in product((0, 1), repeat=len(wanted))
        if keeps_times(on, min_up=min_up, min_down=min_down)
    )

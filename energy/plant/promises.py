"""What people do about a promise to draw less: most keep it more or less, some forget it.

Shares and spreads are assumptions (D). Nobody gives up what they do not draw.
"""

import numpy as np

from energy.plant.draws import FloatArray, Stream, draw
from energy.units import SLOT_S

DAY_S = 86400
FORGETS = 0.12
USUAL_PART, SPREAD_PERSON, SPREAD_SLOT = 1.05, 0.25, 0.15
MOST_OF_LOAD = 0.8


def given_up_kw(seed: int, slot: int, promised_kw: FloatArray, load_kw: FloatArray) -> FloatArray:
    """What each meter draws less in a slot than it would, (M,), for what was promised, (M,).

    A person's zeal is the same all day; it varies a little from slot to slot.
    """
    count = len(load_kw)
    person = draw(seed, Stream.PROMISE_DAY, slot // DAY_S)
    remembers = person.random(count) >= FORGETS
    zeal = USUAL_PART * np.exp(SPREAD_PERSON * person.standard_normal(count))
    moment = draw(seed, Stream.PROMISE_SLOT, slot // SLOT_S).standard_normal(count)
    meant_kw = promised_kw * remembers * zeal * np.exp(SPREAD_SLOT * moment)
    return np.asarray(np.minimum(meant_kw, MOST_OF_LOAD * np.maximum(load_kw, 0.0)))

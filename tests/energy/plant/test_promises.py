"""People keep promises roughly: most give about what they said, some nothing, nobody too much."""

import numpy as np

from energy.plant.promises import FORGETS, MOST_OF_LOAD, given_up_kw

SLOT = 1_784_091_600
COUNT = 4_000


def test_nobody_gives_up_more_than_most_of_what_he_draws() -> None:
    load = np.linspace(0.0, 2.0, COUNT)
    given = given_up_kw(1, SLOT, np.full(COUNT, 5.0), load)
    assert (given >= 0).all() and (given <= MOST_OF_LOAD * load + 1e-12).all()


def test_about_an_eighth_forgets_and_the_others_give_about_what_they_said() -> None:
    given = given_up_kw(1, SLOT, np.full(COUNT, 0.2), np.full(COUNT, 10.0))
    forgot = given == 0
    assert abs(forgot.mean() - FORGETS) < 0.02
    assert 0.2 < given[~forgot].mean() < 0.23
    assert given[~forgot].std() > 0.03


def test_zeal_lasts_a_day_and_wavers_from_slot_to_slot() -> None:
    promised, load = np.full(COUNT, 0.2), np.full(COUNT, 10.0)
    now, then = (given_up_kw(1, SLOT + plus, promised, load) for plus in (0, 900))
    assert ((now == 0) == (then == 0)).all()
    kept = now > 0
    assert 0.5 < np.corrcoef(now[kept], then[kept])[0, 1] < 0.95


def test_who_has_promised_nothing_changes_nothing_and_the_same_slot_is_the_same() -> None:
    promised = np.where(np.arange(COUNT) % 2, 0.2, 0.0)
    load = np.full(COUNT, 1.0)
    given = given_up_kw(1, SLOT, promised, load)
    assert not given[::2].any()
    assert (given == given_up_kw(1, SLOT, promised, load)).all()

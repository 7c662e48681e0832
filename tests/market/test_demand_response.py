"""Demand response on paper: baseline, exclusions, eligibility, reduction, reward and penalty."""

from dataclasses import replace
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.dr import (
    Baseline,
    BaselineMethod,
    DrEvent,
    DrProgramme,
    EventDay,
    EventState,
    History,
    HistoryDay,
    adjust_baseline,
    bid_limit_wh,
    build_baseline,
    commitment_fault,
    dr_transfers,
    event_faults,
    next_state,
    resource_fault,
    verify_event,
)
from market.errors import MarketError
from market.transfers import Code

T0 = 1_784_084_400 - 1_784_084_400 % 3_600
HOUR = DrEvent(b"p" * 32, T0, 4, BaselineMethod.MAX_4_5, 300_000, 150_000, T0 - 3_600)
MID = replace(HOUR, method=BaselineMethod.MID_6_10)


def days(*totals: int, **marks: bool) -> tuple[HistoryDay, ...]:
    """Days of one total each, yesterday first; four equal slots."""
    return tuple(
        HistoryDay(ago, (total // 4,) * 4, **marks) for ago, total in enumerate(totals, start=1)
    )


def test_max_4_5_drops_the_lowest_of_five() -> None:
    found = build_baseline(History(days(4_000, 4_400, 3_600, 4_800, 4_200)), HOUR)
    # (1,000 + 1,100 + 1,200 + 1,050) / 4 = 1,087.5, whole Wh downwards.
    assert found == Baseline((1_087,) * 4, (1, 2, 4, 5))


def test_mid_6_10_drops_two_at_each_end() -> None:
    totals = (4_000, 4_040, 4_080, 4_120, 4_160, 4_200, 4_240, 4_280, 4_320, 4_360)
    found = build_baseline(History(days(*totals)), MID)
    assert found == Baseline((1_045,) * 4, (3, 4, 5, 6, 7, 8))


def test_of_equal_days_the_older_is_dropped() -> None:
    found = build_baseline(History(days(4_000, 4_000, 4_400, 4_400, 4_400)), HOUR)
    assert found.kept == (1, 3, 4, 5)
    mid = build_baseline(History(days(*[4_000] * 10)), MID)
    assert mid.kept == (1, 2, 3, 4, 5, 6)


def test_a_low_day_gives_way_to_an_older_one_against_the_same_mean() -> None:
    # Mean of the first five is 3,600, 75 % of it 2,700: the day of 2,000 goes, 2,699 does not come
    # in, 4,000 does; it would not be low against the new mean either.
    totals = (4_000, 4_000, 2_000, 4_000, 4_000, 2_696, 4_000)
    assert build_baseline(History(days(*totals)), HOUR).kept == (1, 2, 4, 5)
    assert build_baseline(History(days(*totals[:6])), HOUR).net_wh is None


def test_only_industry_loses_its_high_days() -> None:
    totals = (4_000, 4_000, 8_000, 4_000, 4_000, 4_000)
    assert 3 in build_baseline(History(days(*totals)), HOUR).kept
    assert 3 not in build_baseline(History(days(*totals), industrial=True), HOUR).kept


def test_holidays_event_days_and_estimates_do_not_count_nor_days_too_old() -> None:
    usual = days(*[4_000] * 5)
    for marks in ({"working": False}, {"event": True}, {"estimated": True}):
        odd = (replace(usual[0], **marks), *usual[1:])
        assert build_baseline(History(odd), HOUR).reason == "4 days are eligible, allowed 5 or more"
        more = (*odd, HistoryDay(45, (1_000,) * 4))
        assert build_baseline(History(more), HOUR).net_wh == (1_000,) * 4
        late = (*odd, HistoryDay(46, (1_000,) * 4))
        assert build_baseline(History(late), HOUR).net_wh is None


def test_an_exporting_account_has_a_baseline_below_zero() -> None:
    found = build_baseline(History(days(-4_000, -4_004, -4_400, -3_600, -4_000)), HOUR)
    assert found.net_wh == (-976,) * 4  # (-1,000 - 1,001 - 900 - 1,000) / 4 = -975.25, downwards


# Most days are plain ones, or too few would ever be eligible.
marks_of_days = st.sampled_from(
    [{}, {}, {}, {}, {"working": False}, {"event": True}, {"estimated": True}]
)


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(-20, 60), marks_of_days), max_size=24,
             unique_by=lambda day: day[0]),
    st.sampled_from(BaselineMethod),
    st.booleans(),
)  # fmt: skip
@settings(settings.get_profile("market"), deadline=None)
def test_the_baseline_is_that_of_the_slow_reference(
    slow_baseline: ModuleType,
    drawn: list[tuple[int, int, dict[str, bool]]],
    method: BaselineMethod,
    industrial: bool,
) -> None:
    event = replace(HOUR, slots=2, method=method)
    rows = [HistoryDay(ago, (wh, 2 * wh - 5), **marks) for ago, wh, marks in drawn]
    slow = [{"ago": ago, "wh": [wh, 2 * wh - 5], "good": marks == {}} for ago, wh, marks in drawn]
    found = build_baseline(History(tuple(rows), industrial), event).net_wh
    expected = slow_baseline.baseline(slow, int(method), industrial)
    assert (None if found is None else list(found)) == expected


def test_the_same_day_shifts_the_baseline_up_to_a_limit() -> None:
    base = Baseline((1_000, 2_000, 1_000, 1_000), (1, 2))
    shifted = adjust_baseline(base, (900, 1_000), (1_000, 1_103), 200_000)
    assert shifted.net_wh == (1_101, 2_101, 1_101, 1_101)
    assert adjust_baseline(base, (900,), (5_000,), 200_000).net_wh == (1_200, 2_400, 1_200, 1_200)
    assert adjust_baseline(base, (900,), (0,), 100_000).net_wh == (900, 1_800, 900, 900)


def test_events_keep_to_working_days_hours_and_numbers() -> None:
    programme = DrProgramme("economic")
    two_hours = replace(HOUR, slots=8)
    assert event_faults(two_hours, EventDay(True, 10), programme) == []
    assert event_faults(two_hours, EventDay(True, 18), programme) == []
    assert "from 11:00" in event_faults(two_hours, EventDay(True, 11), programme)[0]
    assert "from 18:15" in event_faults(two_hours, EventDay(True, 18, 15), programme)[0]
    assert "no working day" in event_faults(two_hours, EventDay(False, 10), programme)[0]
    assert "5 slots" in event_faults(replace(HOUR, slots=5), EventDay(True, 14), programme)[0]
    assert "20 slots" in event_faults(replace(HOUR, slots=20), EventDay(True, 14), programme)[0]
    assert "2 events" in event_faults(HOUR, EventDay(True, 14, events_before=2), programme)[0]
    assert resource_fault(99_999, programme) and not resource_fault(100_000, programme)


def test_nobody_commits_more_than_it_draws_or_can_give_up() -> None:
    base = Baseline((1_000, 800, 900, 1_000))
    assert commitment_fault(base, 800, 5_000) == ""
    assert "allowed 1 to 800" in commitment_fault(base, 801, 5_000)
    assert "allowed 1 to 300" in commitment_fault(base, 301, 300)
    assert "no baseline: 4 days" in commitment_fault(Baseline(None, reason="4 days"), 1, 9)
    assert (bid_limit_wh(800, 300), bid_limit_wh(200, 300)) == (500, 0)


def test_two_hours_are_verified_hour_by_hour() -> None:
    """Hour one gives 1,600 Wh of 1,200, hour two 700: 2 x 1,200 committed at 300 and 150 won."""
    event = replace(HOUR, slots=8)
    base = Baseline((1_000,) * 8)
    net = (600,) * 4 + (900, 900, 600, 900)
    one, two = verify_event(event, base, net, 300)
    assert (one.reduced_wh, one.reward_ukrw, one.penalty_ukrw) == (1_600, 360_000_000, 0)
    assert (two.reduced_wh, two.reward_ukrw, two.penalty_ukrw) == (700, 210_000_000, 75_000_000)
    more = verify_event(event, base, net, 300, pay_cap_ppm=1_200_000)[0]
    assert more.reward_ukrw == 1_440 * 300_000
    assert verify_event(event, base, (2_000,) * 8, 300)[0].reduced_wh == 0
    below = replace(event, penalty_mkrw_per_kwh=-5_000)
    assert verify_event(below, base, (2_000,) * 8, 300)[0].penalty_ukrw == 0
    found = dr_transfers(b"a" * 32, b"p" * 32, [one, two], 1, b"c" * 32)
    assert {(one.code, one.amount, one.slot) for one in found} == {
        (Code.DR_REWARD, 360_000_000, T0),
        (Code.DR_REWARD, 210_000_000, T0 + 3_600),
        (Code.DR_PENALTY, 75_000_000, T0 + 3_600),
    }


def test_an_event_that_begins_inside_an_hour_counts_clock_hours() -> None:
    event = replace(HOUR, first_slot=T0 + 1_800, slots=4)
    hours = verify_event(event, Baseline((1_000,) * 4), (0, 0, 1_000, 1_000), 500)
    assert [(hour.start - T0, hour.committed_wh, hour.reduced_wh) for hour in hours] == [
        (0, 1_000, 2_000),
        (3_600, 1_000, 0),
    ]


def test_events_take_their_steps_in_order() -> None:
    path = ["CALLED", "RUNNING", "METERED", "VERIFIED", "SETTLED", "VERIFIED", "SETTLED"]
    state = EventState.OFFERED
    for word in path:
        state = next_state(state, EventState(word))
    with pytest.raises(MarketError, match="RUNNING: found a step to CANCELLED, allowed METERED"):
        next_state(EventState.RUNNING, EventState.CANCELLED)


def test_bad_events_and_histories_get_one_sentence() -> None:
    with pytest.raises(MarketError, match="answered before it begins"):
        replace(HOUR, answer_by=T0 + 1)
    with pytest.raises(MarketError, match="allowed each day once with 4 slots"):
        build_baseline(History((HistoryDay(1, (1, 2)),)), HOUR)
    with pytest.raises(MarketError, match="3 readings, allowed 4"):
        verify_event(HOUR, Baseline((1,) * 4), (1, 1, 1), 5)

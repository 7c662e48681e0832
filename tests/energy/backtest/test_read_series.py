"""Any CSV becomes quarter hours in kW, and everything that was wrong with it is said."""

from pathlib import Path

import numpy as np
import pytest

from energy.backtest import SeriesError, read_series, read_weather
from energy.backtest.place import site_of
from energy.backtest.read_series import Reading
from energy.timegrid import country_of, parse_instant, slots_from

AMSTERDAM = "Europe/Amsterdam"


def written(folder: Path, lines: list[str]) -> Path:
    path = folder / "meter.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def read(folder: Path, lines: list[str], kind: str = "load", zone: str = "UTC") -> Reading:
    return read_series(written(folder, lines), kind, zone)


def test_columns_unit_and_clock_are_found_and_said(tmp_path: Path) -> None:
    lines = ["when,time,temp,load_mw", *(f"x,2026-01-01T00:{m:02d}Z,4,0.5" for m in (0, 15, 30))]
    found = read(tmp_path, lines)
    assert found.p_kw.tolist() == [500.0] * 3
    assert found.slot[0] == parse_instant("2026-01-01T00:00+00:00")
    assert found.findings[0] == "time from column 'time', power from 'load_mw' (mw), step 15 min"
    assert "stamps carry their offset" in found.findings


def test_energy_per_half_hour_is_power_in_both_quarters(tmp_path: Path) -> None:
    lines = ["time,demand_kwh", "2026-01-01 00:00,1.0", "2026-01-01 00:30,2.0"]
    found = read(tmp_path, lines)
    assert found.p_kw.tolist() == [2.0, 2.0, 4.0, 4.0] and found.step_slots == 2


def test_shuffled_and_doubled_rows_are_put_right_and_named(tmp_path: Path) -> None:
    stamps = [f"2026-01-01 {m // 60:02d}:{m % 60:02d}" for m in range(0, 300, 15)]
    rows = [f"{stamp},{k}" for k, stamp in enumerate(stamps)]
    plain = read(tmp_path, ["time,load", *rows])
    order = np.random.default_rng(1).permutation(len(rows))
    mixed = read(tmp_path, ["time,load", *(rows[k] for k in order), rows[4], rows[4]])
    assert np.array_equal(mixed.p_kw, plain.p_kw) and np.array_equal(mixed.slot, plain.slot)
    said = " ".join(mixed.findings)
    assert "out of order" in said and "2 doubled stamps" in said


def test_hours_of_a_zone_of_half_an_hour_stay_where_they_are(tmp_path: Path) -> None:
    rows = [f"2026-01-01 {hour:02d}:00,{hour}" for hour in range(3)]
    found = read(tmp_path, ["time,load", *rows], zone="Asia/Kolkata")
    assert found.slot[0] == parse_instant("2025-12-31T18:30+00:00")
    assert found.p_kw.tolist() == [0.0] * 4 + [1.0] * 4 + [2.0] * 4
    assert (found.step_slots, found.phase_slots) == (4, 2)


def test_a_logger_that_is_some_seconds_off_is_taken_for_its_quarter_and_said(
    tmp_path: Path,
) -> None:
    stamps = ("00:00:07", "00:14:55", "00:30:00", "00:45:41")
    found = read(tmp_path, ["time,load", *(f"2026-01-01 {at},{n}" for n, at in enumerate(stamps))])
    assert found.slot[0] == parse_instant("2026-01-01T00:00+00:00")
    assert found.p_kw.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert "3 stamps within a minute of a quarter hour were taken for it" in found.findings


def test_a_stamp_between_the_steps_is_set_aside_and_a_file_of_such_is_refused(
    tmp_path: Path,
) -> None:
    stamps = [f"{m // 60:02d}:{m % 60:02d}" for m in range(0, 300, 15)]
    rows = [f"2026-01-01 {at},{n}" for n, at in enumerate(stamps)]
    found = read(tmp_path, ["time,load", *rows, "2026-01-01 02:07,999"])
    assert found.p_kw.tolist() == list(range(20))
    assert "1 stamps that are not on the steps of 15 min were set aside" in found.findings
    shifted = [f"2026-01-01 {m // 60:02d}:{m % 60:02d},1" for m in range(7, 300, 15)]
    with pytest.raises(SeriesError, match="stamps 420 s after the quarter hours, allowed: at most"):
        read(tmp_path, ["time,load", *shifted])


def test_gaps_are_nan_and_the_longest_is_named(tmp_path: Path) -> None:
    lines = ["time,load"]
    lines += [f"2026-01-01 {m // 60:02d}:{m % 60:02d},1" for m in range(0, 600, 15)
              if not 60 <= m < 120 and m != 300]  # fmt: skip
    found = read(tmp_path, [*lines, "not a time,3"])
    assert np.flatnonzero(np.isnan(found.p_kw)).tolist() == [4, 5, 6, 7, 20]
    assert "5 readings missing in 2 gaps, the longest 1 h" in found.findings
    assert "1 rows without a readable instant" in found.findings


@pytest.mark.parametrize(("date", "slots"), [("2026-03-29", 92), ("2026-10-25", 100)])
def test_wall_clock_days_have_92_and_100_slots(tmp_path: Path, date: str, slots: int) -> None:
    midnight = parse_instant(date, AMSTERDAM)
    rows = []
    for k, slot in enumerate(slots_from(midnight - 3600, slots + 8).tolist()):
        from energy.timegrid import local_label

        rows.append(f"{local_label(slot, AMSTERDAM)},{k}")
    found = read(tmp_path, ["time,load", *rows], zone=AMSTERDAM)
    assert found.p_kw.tolist() == list(range(slots + 8))
    assert found.slot[4] == midnight


def test_a_grid_of_wall_times_that_do_not_exist_loses_those_alone(tmp_path: Path) -> None:
    rows = [f"2026-03-29 {m // 60:02d}:{m % 60:02d},{m}" for m in range(0, 360, 15)]
    found = read(tmp_path, ["time,load", *rows], zone=AMSTERDAM)
    assert "4 stamps that the clock skips in spring were set aside" in found.findings
    assert len(found.p_kw) == len(rows) - 4 and np.isfinite(found.p_kw).all()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["time,load"], "no rows"),
        (["time,a,b", "2026-01-01 00:00,1,2", "2026-01-01 00:15,1,2"], "allowed: --column"),
        (["time,load", "2026-01-01 00:00,1", "2026-01-01 00:07,1"], "step 420 s"),
        (["time,load", "soon,1", "later,2"], "not readable"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    tmp_path: Path, lines: list[str], words: str
) -> None:
    with pytest.raises(SeriesError, match=words):
        read(tmp_path, lines)


def test_weather_units_are_recognised_and_hours_drawn_linearly(tmp_path: Path) -> None:
    lines = ["time,temp,radiation,clouds"]
    lines += [f"2026-06-01T{h:02d}:00Z,{h},{h * 3600 * 50},{h * 10}" for h in range(12)]
    slot = slots_from(parse_instant("2026-06-01T02:00+00:00"), 5)
    found, said = read_weather(written(tmp_path, lines), "UTC", slot)
    assert found["temperature_c"].tolist() == [2.0, 2.25, 2.5, 2.75, 3.0]
    assert found["radiation_w_per_m2"][-1] == pytest.approx(150.0)
    assert found["cloud_frac"][0] == pytest.approx(0.2)
    assert any("upper bound" in text for text in said)


def test_a_zone_has_its_city_and_its_countrys_holidays() -> None:
    site = site_of("Australia/Sydney", None, None)
    assert (site.latitude_deg, site.longitude_deg) == pytest.approx((-33.87, 151.22), abs=0.01)
    assert [country_of(zone) for zone in ("Asia/Seoul", AMSTERDAM, "UTC")] == ["KR", "NL", "KR"]
    with pytest.raises(SeriesError, match="no city known"):
        site_of("UTC", None, None)

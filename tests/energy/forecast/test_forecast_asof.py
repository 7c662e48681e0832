"""Nothing after the issue moves a forecast; the same inputs give the same bytes."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from energy.forecast import ForecastError, forecast_district


def bytes_of(value: Any) -> bytes:
    """Every array and text of a result, field by field."""
    if is_dataclass(value):
        return b"".join(bytes_of(getattr(value, field.name)) for field in fields(value))
    return value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()


def poisoned(world: Any, observed: Any) -> Any:
    """The record with noise, even infinite and negative, in every row from the issue on."""
    rng = np.random.default_rng(99)
    late = observed.history.slot >= observed.issue_slot
    noisy = {}
    for name in ("load_kw", "pv_kw", "heat_kw", "temperature_c", "cloud_frac"):
        rows = getattr(observed.history, name).copy()
        rows[late] = rng.normal(0, 1e6, rows[late].shape)
        rows[np.flatnonzero(late)[::7]] = np.inf
        noisy[name] = rows
    return replace(observed, history=replace(observed.history, **noisy))


@pytest.mark.parametrize("hour", [0, 5, 13])
def test_noise_after_the_issue_changes_no_bit(summer: Any, hour: int) -> None:
    issue = int(summer.truth.slot[35 * 96 + 4 * hour])
    observed = summer.observed(issue)
    clean = forecast_district(summer.basis, observed, issue + 900)
    other = forecast_district(summer.basis, poisoned(summer, observed), issue + 900)
    assert bytes_of(clean) == bytes_of(other)


def test_a_reading_before_the_issue_does_change_the_forecast(summer: Any) -> None:
    issue = int(summer.truth.slot[35 * 96])
    observed = summer.observed(issue)
    louder = replace(observed.history, load_kw=observed.history.load_kw * 1.1)
    clean = forecast_district(summer.basis, observed, issue)
    other = forecast_district(summer.basis, replace(observed, history=louder), issue)
    assert other.load_kw.mean() == pytest.approx(1.1 * clean.load_kw.mean(), rel=1e-6)


def test_a_weather_issue_from_the_future_is_not_used(summer: Any) -> None:
    issue = int(summer.truth.slot[35 * 96])
    observed = summer.observed(issue)
    future = replace(observed.weather, issue_slot=issue + 900)
    forecast = forecast_district(summer.basis, replace(observed, weather=future), issue)
    without = forecast_district(summer.basis, replace(observed, weather=None), issue)
    assert forecast.tier["load"] == forecast.tier["pv"] == "F3"
    assert "lies after" in forecast.reason["weather"]
    assert np.array_equal(forecast.load_kw, without.load_kw)


def test_a_record_with_a_hole_in_its_slots_is_refused(summer: Any) -> None:
    issue = int(summer.truth.slot[35 * 96])
    observed = summer.observed(issue)
    slot = observed.history.slot.copy()
    slot[100:] += 900
    torn = replace(observed, history=replace(observed.history, slot=slot))
    with pytest.raises(ForecastError, match="not contiguous"):
        forecast_district(summer.basis, torn, issue)
    short = replace(observed.history, pv_kw=observed.history.pv_kw[1:])
    with pytest.raises(ForecastError, match=r"history pv_kw: shape"):
        forecast_district(summer.basis, replace(observed, history=short), issue)

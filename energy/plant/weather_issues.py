"""The weather service: an issue every three hours, hourly, wrong by more the further ahead.

What it can know is the slow part of the weather. Its error has three parts: fronts and clouds that
come early or late, one that all issues share for the same hour, and one of each issue's own.
"""

import numpy as np

from energy.forecast import WeatherForecast
from energy.plant.draws import FloatArray, Stream, blend, draw
from energy.plant.weather import Weather, WeatherSource
from energy.timegrid import slots_from
from energy.units import SLOT_S, SLOTS_PER_HOUR

HOUR_S = SLOT_S * SLOTS_PER_HOUR
EVERY_S, FIRST_S = 3 * HOUR_S, 2 * HOUR_S
"""Issues at 02, 05, .. 23 o'clock, in Korea as in UTC."""
OUT_AFTER_S = 600
HOURS = 56
KNOT_H = 6.0
SHARED, OWN = 0.8, 0.6
"""Weights of the shared and of the own error; their squares add up to one."""
LATE_PER_H, LATE_H_MAX = 0.05, 2.0


def newest_issue_slot(now_slot: int) -> int:
    """Slot in which the newest issue came out that is known at the start of `now_slot`."""
    return (now_slot - OUT_AFTER_S - FIRST_S) // EVERY_S * EVERY_S + FIRST_S


def issue_weather(source: WeatherSource, seed: int, issue_slot: int) -> WeatherForecast:
    """The forecast that is issued in `issue_slot`, quarter-hourly for 56 hours from there on."""
    lead_h = np.arange(HOURS + 1, dtype=np.float64)
    own = draw(seed, Stream.WEATHER_ERROR_ISSUE, issue_slot // EVERY_S)
    late_h = np.clip(LATE_PER_H * lead_h, 0.0, LATE_H_MAX) * own.standard_normal()
    truth = _at_hours(source, issue_slot, lead_h, lead_h + late_h)
    shared = _shared_errors(seed, issue_slot, lead_h)
    knots = own.standard_normal((int(HOURS / KNOT_H) + 2, 3))
    error = SHARED * shared + OWN * np.stack([blend(lead_h / KNOT_H, k) for k in knots.T])
    temperature = truth.temperature_c + temperature_error_k(lead_h) * error[0]
    cloud = np.clip(truth.cloud_slow_frac + cloud_error_frac(lead_h) * error[1], 0.0, 1.0)
    wind = truth.wind_m_per_s * np.exp(0.2 * error[2])
    slots = slots_from(issue_slot, HOURS * SLOTS_PER_HOUR)
    middle_h = (slots - issue_slot + SLOT_S / 2) / HOUR_S
    return WeatherForecast(
        issue_slot=issue_slot,
        slot=slots,
        temperature_c=np.interp(middle_h, lead_h, temperature),
        cloud_frac=np.interp(middle_h, lead_h, cloud),
        wind_m_per_s=np.interp(middle_h, lead_h, wind),
    )


def temperature_error_k(lead_h: FloatArray) -> FloatArray:
    """Standard error of the forecast air temperature; assumed: 0.5 K at once, 1.4 K a day ahead."""
    return np.asarray(0.5 + 0.9 * (1 - np.exp(-lead_h / 18)) + 0.008 * lead_h)


def cloud_error_frac(lead_h: FloatArray) -> FloatArray:
    """Standard error of the forecast cloud cover; assumed: 0.06 at once, 0.18 a day ahead."""
    return np.asarray(0.06 + 0.13 * (1 - np.exp(-lead_h / 12)) + 0.0004 * lead_h)


def _at_hours(
    source: WeatherSource, issue_slot: int, lead_h: FloatArray, cloud_at_h: FloatArray
) -> Weather:
    """True weather at whole hours after the issue, the clouds at hours of their own."""
    before = int(LATE_H_MAX * 5) * SLOTS_PER_HOUR
    first = issue_slot - before * SLOT_S
    run = source.run(first, int(HOURS + 1) * SLOTS_PER_HOUR + 2 * before)
    middle_h = (np.arange(len(run.temperature_c)) - before + 0.5) / SLOTS_PER_HOUR
    return Weather(
        temperature_c=np.interp(lead_h, middle_h, run.temperature_c),
        cloud_frac=np.interp(cloud_at_h, middle_h, run.cloud_frac),
        cloud_slow_frac=np.interp(cloud_at_h, middle_h, run.cloud_slow_frac),
        felt_c=np.interp(lead_h, middle_h, run.felt_c),
        wind_m_per_s=np.interp(lead_h, middle_h, run.wind_m_per_s),
    )


def _shared_errors(seed: int, issue_slot: int, lead_h: FloatArray) -> FloatArray:
    """Unit errors (3, T) of temperature, clouds and wind that belong to the hours themselves."""
    at = (issue_slot / HOUR_S + lead_h) / KNOT_H
    first = int(at[0])
    numbers = range(first, int(at[-1]) + 2)
    stream = Stream.WEATHER_ERROR_TARGET
    knots = np.stack([draw(seed, stream, number).standard_normal(3) for number in numbers])
    return np.stack([blend(at - first, column) for column in knots.T])

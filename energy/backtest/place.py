"""Where a zone's clocks stand: the coordinates of its principal city, from the time zone data."""

import re
from zoneinfo import available_timezones

from energy.backtest.read_series import SeriesError
from energy.forecast.inputs import Site
from energy.timegrid import zone_places

ALTITUDE_M = 50.0


def site_of(time_zone: str, latitude_deg: float | None, longitude_deg: float | None) -> Site:
    """The place given, or that of the zone's city; raises SeriesError where the zone has none."""
    if time_zone not in available_timezones():
        raise SeriesError(f"zone {time_zone!r}: unknown, allowed: a zone like Asia/Seoul")
    if latitude_deg is None or longitude_deg is None:
        known = zone_places().get(time_zone)
        if known is None:
            raise SeriesError(
                f"zone {time_zone!r}: no city known, allowed: a zone like Asia/Seoul, "
                "or --latitude and --longitude"
            )
        latitude_deg, longitude_deg = _degrees(known[1])
    return Site(latitude_deg, longitude_deg, ALTITUDE_M, time_zone)


def _degrees(text: str) -> tuple[float, float]:
    """Degrees of an ISO 6709 text like +5222+00454 or +404251-0740023."""
    found = re.fullmatch(r"([+-])(\d{2})(\d{2})(\d{2})?([+-])(\d{3})(\d{2})(\d{2})?", text)
    if found is None:
        raise SeriesError(f"place {text!r}: not in the form of ISO 6709")
    parts = [found.groups()[:4], found.groups()[4:]]
    north, east = (
        (1 if sign == "+" else -1) * (int(d) + int(m) / 60 + int(s or 0) / 3600)
        for sign, d, m, s in parts
    )
    return north, east

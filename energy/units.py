"""The only unit conversions: kW and kWh for physics, whole Wh and micro-won for the books."""

from decimal import Decimal, InvalidOperation
from typing import TypeVar

import numpy as np
import numpy.typing as npt

SLOT_S = 900
SLOTS_PER_HOUR = 4
SLOTS_PER_DAY = 96
DT_H = SLOT_S / 3600
UKRW_PER_KRW = 1_000_000
MKRW_PER_KRW = 1_000

FloatOrArray = TypeVar("FloatOrArray", float, npt.NDArray[np.float64])


def kwh_from_kw(power_kw: FloatOrArray) -> FloatOrArray:
    """Energy in kWh of a mean power in kW over one slot."""
    return power_kw * DT_H


def kw_from_kwh(energy_kwh: FloatOrArray) -> FloatOrArray:
    """Mean power in kW of an energy in kWh delivered in one slot."""
    return energy_kwh / DT_H


def wh_from_kwh(energy_kwh: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Whole Wh of energies in kWh, half a Wh rounded to even."""
    return np.rint(energy_kwh * 1000).astype(np.int64)


def kwh_from_wh(e_wh: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Energies in kWh of whole Wh."""
    return np.asarray(e_wh, dtype=np.float64) / 1000


def mkrw_from_krw(price_krw_per_kwh: float) -> int:
    """Price in whole milli-won per kWh, rounded half to even."""
    return round(price_krw_per_kwh * MKRW_PER_KRW)


def krw_text_from_ukrw(amount_ukrw: int) -> str:
    """Decimal string of won for an amount in micro-won, without trailing zeros: `"71.25"`."""
    sign, rest = ("-", -amount_ukrw) if amount_ukrw < 0 else ("", amount_ukrw)
    won, fraction = divmod(rest, UKRW_PER_KRW)
    return f"{sign}{won}.{fraction:06d}".rstrip("0").rstrip(".") if fraction else f"{sign}{won}"


def percent_text_from_ppm(share_ppm: int) -> str:
    """Decimal string of a percentage for parts per million, without trailing zeros: `"79.5"`."""
    return krw_text_from_ukrw(share_ppm * 100)


def mkrw_from_krw_text(text: str) -> int:
    """Milli-won of a decimal text of won with at most three decimals; raises ValueError."""
    try:
        mkrw = Decimal(text) * MKRW_PER_KRW if "e" not in text.lower() else None
    except InvalidOperation:
        mkrw = None
    if mkrw is None or not mkrw.is_finite() or mkrw != int(mkrw):
        raise ValueError("allowed won such as 142.5, 3 decimals at most")
    return int(mkrw)


def krw_text_from_mkrw(price_mkrw_per_kwh: int) -> str:
    """Decimal string of won per kWh for a price in milli-won per kWh: `"142.5"`."""
    return krw_text_from_ukrw(price_mkrw_per_kwh * MKRW_PER_KRW)

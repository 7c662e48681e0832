"""A year's statement written again from the rules: fractions of won, one quarter hour at a time.

Knows no code of the market. Tariff, levies and their dates are written out here once more.
"""

from fractions import Fraction
from math import floor

LIMITS = {True: (300, 450), False: (200, 400)}
STEPS = [(910, Fraction("120.0")), (1600, Fraction("214.6")), (7300, Fraction("307.3"))]
SUPER = Fraction("736.2")


def kepco(month: int, kwh: int, fund: Fraction, taxed_kwh: int | None = None) -> int:
    """Residential low voltage in won; the tax on another use where `taxed_kwh` says so."""

    def parts(use: int) -> int:
        low, high = LIMITS[month in (7, 8)]
        step = 0 if use <= low else 1 if use <= high else 2
        energy = Fraction(0)
        for unit in range(1, use + 1):
            price = STEPS[0 if unit <= low else 1 if unit <= high else 2][1]
            if unit > 1000 and month in (7, 8, 12, 1, 2):
                price = SUPER
            energy += price
        return STEPS[step][0] + floor(energy) + 9 * use + 5 * use

    subtotal = parts(kwh)
    taxed = parts(kwh if taxed_kwh is None else taxed_kwh)
    vat = floor(Fraction(taxed, 10) + Fraction(1, 2))
    levy = floor(fund * subtotal / 10) * 10
    return (subtotal + vat + levy) // 10 * 10


def year(months: list[dict]) -> list[dict]:
    """Per month: utility's bill, market part, total, KEPCO alone, SMP with certificates.

    A month has `month`, `fund`, `events` (won, paid above 0), and `slots`: import, export, bought,
    sold, price, short, long, feed_in, smp, and `ppa`: (share, strike) of a plant's output or None;
    `labels` is what labels brought (won, below 0 for a buyer), nothing where it is not given.
    `guarantee` are the least share kept and the most won that a month gives back, if anything.
    """
    rest_register = import_register = export_register = Fraction(0)
    carried = 0
    found = []
    for one in months:
        start = (rest_register, import_register, export_register)
        market = Fraction(one["events"])
        reference = Fraction(0)
        exported = 0
        auctions = instead = reserved = kept = unbought = Fraction(0)
        for slot in one["slots"]:
            drawn, given = slot["import"], slot["export"]
            import_register += Fraction(drawn, 1000)
            export_register += Fraction(given, 1000)
            reference += Fraction(given, 1000) * slot["smp"]
            exported += given
            taken = min(slot["ppa"], drawn)
            market += Fraction(slot["ppa"], 1000) * slot["strike"]
            market -= Fraction(slot["ppa"] - taken, 1000) * slot["feed_in"]
            left = drawn - taken
            bought, sold = min(slot["bought"], left), min(slot["sold"], given)
            kwh_price = slot["price"]
            traded = Fraction(slot["bought"] - slot["sold"], 1000) * kwh_price
            traded += Fraction(slot["sold"] - sold, 1000) * max(kwh_price, slot["short"])
            traded -= Fraction(slot["bought"] - bought, 1000) * min(kwh_price, slot["long"])
            # A premium is paid because it was wished: the guarantee does not look at it.
            market += traded - slot.get("labels", 0)
            market -= Fraction(given - sold, 1000) * slot["feed_in"]
            auctions += traded
            instead -= Fraction(sold, 1000) * slot["feed_in"]
            reserved += Fraction(slot["bought"] + slot["sold"], 1000) * kwh_price
            kept += Fraction(bought + sold, 1000) * kwh_price
            unbought += Fraction(bought, 1000)
            rest_register += Fraction(left - bought, 1000)
        ends = (rest_register, import_register, export_register)
        rest, whole, out = (floor(b) - floor(a) for a, b in zip(start, ends, strict=True))
        bill = kepco(one["month"], rest, one["fund"])
        # Without the auctions what they brought had been drawn at tariff and fed in.
        whole_rest = floor(rest_register + unbought) - floor(start[0])
        without = kepco(one["month"], whole_rest, one["fund"]) + market - auctions + instead
        least, most = one.get("guarantee", (0, 0))
        back = min(max(bill + market - without, Fraction(0)), Fraction(most))
        back = back if kept >= least * reserved else Fraction(0)
        market -= back
        if one["net_metering"]:
            billed = max(whole - out - carried, 0)
            carried = max(out + carried - whole, 0)
            alone = kepco(one["month"], billed, one["fund"], taxed_kwh=whole)
        else:
            alone = kepco(one["month"], whole, one["fund"]) + floor(-reference)
        certificates = floor(Fraction(exported * 71_000 * 1_500, 1_000)) * Fraction(1, 10**6)
        found.append(
            {
                "bill": bill,
                "market": floor(market),
                "rounding": market - floor(market),
                "total": bill + floor(market),
                "alone": alone,
                "back": back,
                "without": without,
                "smp_rec": reference + certificates,
            }
        )
    return found

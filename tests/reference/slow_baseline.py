"""The customer baseline written again as one reads the rule: lists of days and fractions."""

from fractions import Fraction

TAKE = {1: 5, 2: 10}


def baseline(days: list[dict], method: int, industrial: bool) -> list[int] | None:
    """`days` have ago, wh (by slot), good; None without a baseline."""
    good = [day for day in days if day["good"] and 1 <= day["ago"] <= 45]
    good.sort(key=lambda day: day["ago"])
    count = TAKE[method]
    chosen, older = good[:count], good[count:]
    if not chosen:
        return None
    mean = Fraction(sum(sum(day["wh"]) for day in chosen), len(chosen))

    def odd(day: dict) -> bool:
        total = sum(day["wh"])
        if mean <= 0:
            return False
        return total < mean * 3 / 4 or (industrial and total > mean * 5 / 4)

    chosen = [day for day in chosen if not odd(day)]
    for day in older:
        if len(chosen) < count and not odd(day):
            chosen.append(day)
    if len(chosen) < count:
        return None

    def drop(highest: bool) -> None:
        totals = [sum(day["wh"]) for day in chosen]
        end = max(totals) if highest else min(totals)
        tied = [day for day in chosen if sum(day["wh"]) == end]
        chosen.remove(max(tied, key=lambda day: day["ago"]))

    for highest in [False] if method == 1 else [False, False, True, True]:
        drop(highest)
    return [sum(day["wh"][n] for day in chosen) // len(chosen) for n in range(len(chosen[0]["wh"]))]

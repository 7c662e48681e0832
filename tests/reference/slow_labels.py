"""What accounts get less what they pay for labels, from the definition and in fractions.

Delivered Wh serve an account's labelled orders first, tier by tier and in order of tag. At every
node of a tier the side with more is cut in proportion: whole Wh by largest remainder, then by hash.
"""

from fractions import Fraction
from hashlib import sha256
from math import floor


def earned_ukrw(
    slot: int, tiers: list[dict], delivered: dict[bytes, tuple[int, int]]
) -> dict[bytes, int]:
    """Micro-won by account, below 0 for buyers.

    A tier has `root`, `price` by node, and `rows`: tag, node, side, labelled Wh, account.
    """
    left = {(account, side): wh[side - 1] for account, wh in delivered.items() for side in (1, 2)}
    found = {account: 0 for account in delivered}
    for tier in tiers:
        came = {}
        for tag, _, side, fill_wh, account in sorted(tier["rows"]):
            came[tag] = min(fill_wh, left[account, side])
            left[account, side] -= came[tag]
        for node, price in tier["price"].items():
            here = [row for row in tier["rows"] if row[1] == node]
            sums = {side: sum(came[row[0]] for row in here if row[2] == side) for side in (1, 2)}
            for side in (1, 2):
                mine = {row[0]: row[4] for row in here if row[2] == side}
                for tag, wh in shares(slot, tier["root"], came, mine, min(sums.values())).items():
                    found[mine[tag]] += wh * price * (1 if side == 2 else -1)
    return found


def shares(
    slot: int, root: bytes, came: dict[bytes, int], tags: dict[bytes, bytes], most: int
) -> dict[bytes, int]:
    """What is left of each order's Wh when all of them are cut to `most` together."""
    total = sum(came[tag] for tag in tags)
    exact = {tag: Fraction(came[tag] * most, total) if total else Fraction(0) for tag in tags}
    whole = {tag: floor(share) for tag, share in exact.items()}

    def turn(tag: bytes) -> tuple[Fraction, bytes]:
        key = b"tie/label/1" + slot.to_bytes(8, "big") + root + tag
        return whole[tag] - exact[tag], sha256(key).digest()

    for tag in sorted(tags, key=turn)[: most - sum(whole.values())]:
        whole[tag] += 1
    return whole

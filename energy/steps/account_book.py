"""The accounts of the books, and the keys of their salts: one per account and local month.

The key of a month follows from the account's secret, and the secret of the next month from that of
this one by a hash, which cannot be undone: whoever keeps the secret of a month can make the keys of
all later ones and of no earlier one. Erasing the months before one is to go on to its secret and to
forget the older; nothing has to be made when a month begins.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from energy.store.accounts import Account
from energy.timegrid import month_number
from market.books import blinded_account, salt_of
from market.errors import MarketError
from market.signing import Domain

MONTHS_AT_HAND = 4
_NEXT, _KEY = b"next month's salt secret/1", b"salt key/2"

Secret = tuple[bytes, int | None]  # and the month that it is of; None for one that never changes


class AccountBook:
    """All accounts by number, with the keys of their salts.

    Moments are seconds since 1970: that of an entry is its slot, or else the tick it is sealed in.
    """

    def __init__(self, rows: Iterable[Account], time_zone: str) -> None:
        self.accounts: list[bytes] = []
        self.number: dict[bytes, int] = {}
        self.time_zone = time_zone
        self._secrets: dict[bytes, Secret] = {}
        self._pads: dict[int, dict[bytes, tuple[bytes, bytes]]] = {}
        self._blinds: dict[int, dict[bytes, bytes]] = {}
        self._months: dict[int, int] = {}
        self.add(rows)

    def __contains__(self, account: object) -> bool:
        return account in self.number

    def add(self, rows: Iterable[Account]) -> None:
        """Take up accounts that stand in the store."""
        for row in rows:
            assert row.no == len(self.accounts), "accounts are numbered without gaps"
            self.accounts.append(row.account)
            self.number[row.account] = row.no
            self._secrets[row.account] = (row.secret, row.month)
        self._blinds.clear()

    def month(self, moment: int) -> int:
        """The local month of a moment as a number that grows by one a month."""
        found = self._months.get(moment // 86_400)
        if found is None:
            found = month_number(moment, self.time_zone)
            # Only a day that lies in one month as a whole is remembered; both ends are its proof.
            day = moment // 86_400 * 86_400
            if month_number(day, self.time_zone) == month_number(day + 86_399, self.time_zone):
                self._months[moment // 86_400] = found
        return found

    def salt(self, account: bytes, digest: bytes, moment: int) -> bytes:
        """The salt of an entry of the account; raises MarketError where the month is erased."""
        return salt_of(self.key(account, self.month(moment)), digest)

    def salts(
        self, accounts: Iterable[bytes], digests: Iterable[bytes], moments: Sequence[int]
    ) -> list[bytes]:
        """`salt` of many entries at once."""
        # HMAC written out: its calls would take three times as long as its hashes.
        sha256, found = hashlib.sha256, []
        months = {moment: self.month(moment) for moment in set(moments)}
        pads_of = {moment: self._pads_of(month) for moment, month in months.items()}
        for account, digest_32, moment in zip(accounts, digests, moments, strict=True):
            pads = pads_of[moment]
            pad = pads.get(account)
            if pad is None:
                key = self.key(account, months[moment])
                pad = pads[account] = (_padded(key, 0x36), _padded(key, 0x5C))
            found.append(sha256(pad[1] + sha256(pad[0] + digest_32).digest()).digest())
        return found

    def blinds(self, tick: int) -> dict[bytes, bytes]:
        """The names of the accounts in the accounts tree of a tick; none of erased months."""
        month = self.month(tick)
        if month not in self._blinds:
            self._blinds = {
                month: {
                    account: blinded_account(self.key(account, month))
                    for account in self.accounts
                    if not self.is_erased(account, month)
                }
            }
        return self._blinds[month]

    def is_erased(self, account: bytes, month: int) -> bool:
        """Whether the key of the account's month is gone for ever."""
        _, first = self._secrets[account]
        return first is not None and month < first

    def secret_of(self, account: bytes, month: int) -> bytes:
        """The secret that the keys of a month and of all later ones follow from.

        Raises MarketError where it is erased, and for an account that has one for all times.
        """
        found = self._secrets.get(account)
        if found is None or found[1] is None or month < found[1]:
            raise MarketError(
                f"account {account.hex()}: no key for its salts in {month_text(month)}, unknown or "
                "erased"
            )
        secret, first = found[0], found[1]
        for _ in range(first, month):
            secret = next_secret(secret)
        return secret

    def month_start(self, month: int) -> int:
        """The moment at which a month of this number begins, seconds since 1970."""
        wall = datetime(month // 12, month % 12 + 1, 1, tzinfo=ZoneInfo(self.time_zone))
        return int(wall.timestamp())

    def key(self, account: bytes, month: int) -> bytes:
        """The key of an account's salts in a month; raises MarketError where it is erased."""
        found = self._secrets.get(account)
        if found is not None and found[1] is None:
            return found[0]
        return hashlib.sha256(_KEY + self.secret_of(account, month)).digest()

    def _pads_of(self, month: int) -> dict[bytes, tuple[bytes, bytes]]:
        if month not in self._pads and len(self._pads) >= MONTHS_AT_HAND:
            del self._pads[min(self._pads)]
        return self._pads.setdefault(month, {})


def next_secret(secret: bytes) -> bytes:
    """The secret of the month after that of `secret`."""
    return hashlib.sha256(_NEXT + secret).digest()


def month_text(month: int) -> str:
    """`2026-07` of a month's number."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def account_rows(
    domain: Domain,
    accounts: Sequence[bytes],
    *,
    public: Collection[bytes],
    month: int,
    is_rehearsal: bool,
) -> list[Account]:
    """New accounts with secrets for their salts from a month on: random, but in a rehearsal
    derived from the names.

    A `public` account, of the market itself, is known to everybody: its own id is its key for ever.
    """
    rows = []
    for no, account in enumerate(accounts):
        if account in public:
            rows.append(Account(no, account, account, None))
        elif is_rehearsal:
            secret = hashlib.sha256(b"salt secret/1" + domain.salt + account).digest()
            rows.append(Account(no, account, secret, month))
        else:
            rows.append(Account(no, account, secrets.token_bytes(32), month))
    return rows


def _padded(secret: bytes, pad: int) -> bytes:
    """The key of an HMAC, of 32 bytes, as a block of SHA-256, for one of its two hashes."""
    return bytes(byte ^ pad for byte in secret.ljust(64, b"\0"))

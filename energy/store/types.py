"""Column types that both databases hold alike."""

from typing import Any

import orjson
from sqlalchemy import BigInteger, Dialect, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_WRAP = 2**64


class Json(TypeDecorator[Any]):
    """Any JSON value as text with sorted keys; NaN becomes null, numpy arrays become lists."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401
        """Text for the database."""
        return None if value is None else orjson.dumps(value, option=_OPTIONS).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401
        """Value for the program."""
        return None if value is None else orjson.loads(value)


class UInt64(TypeDecorator[int]):
    """0 to 2^64 - 1 in a signed column: the upper half stands as negative numbers.

    Equality and uniqueness hold; order does not, so nothing is sorted or compared by it.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """Signed number for the database."""
        return None if value is None else signed_64(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> int | None:
        """Unsigned number for the program."""
        return None if value is None else value % _WRAP


class Bytes(LargeBinary):
    """Bytes as they are: both drivers take and give them, and wrapping each costs more than it."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        """None: the driver takes bytes."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """None: the driver gives bytes."""


def signed_64(value: int) -> int:
    """0 to 2^64 - 1 as the signed number that a column of `UInt64` holds."""
    return value if value < _WRAP // 2 else value - _WRAP


def fixed_bytes(size: int) -> Bytes:
    """Bytes of one length, which a CHECK of the table holds where it matters."""
    return Bytes(size)

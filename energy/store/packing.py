"""Columns of numbers as one compact blob: same arrays, same bytes."""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from energy.store.errors import StoreError

Arrays = Mapping[str, npt.NDArray[Any]]
_LEVEL = 1  # half the size at a third of the time of the default


def pack_arrays(arrays: Arrays) -> bytes:
    """The arrays with names, types and shapes, compressed; what `unpack_arrays` reads back."""
    ordered = {name: np.asarray(arrays[name]) for name in sorted(arrays)}
    little = {name: a.astype(a.dtype.newbyteorder("<")) for name, a in ordered.items()}
    header = orjson.dumps([[name, a.dtype.str, list(a.shape)] for name, a in little.items()])
    body = b"".join(array.tobytes() for array in little.values())
    return zlib.compress(len(header).to_bytes(4, "little") + header + body, _LEVEL)


def unpack_arrays(blob: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a blob, read-only; raises StoreError for any other bytes."""
    try:
        raw = zlib.decompress(blob)
        size = int.from_bytes(raw[:4], "little")
        rows = orjson.loads(raw[4 : 4 + size])
    except (zlib.error, orjson.JSONDecodeError) as error:
        raise StoreError(f"packed columns: {len(blob)} bytes cannot be read: {error}") from error
    found, at = {}, 4 + size
    for name, dtype, shape in rows:
        count = int(np.prod(shape, dtype=np.int64))
        found[name] = np.frombuffer(raw, np.dtype(dtype), count, at).reshape(shape)
        at += count * np.dtype(dtype).itemsize
    if at != len(raw):
        raise StoreError(f"packed columns: found {len(raw)} bytes, allowed {at}")
    return found

"""Frozen dataclasses of numbers and arrays as compact bytes: equal content, equal bytes.

The first line is JSON (version, names, types, shapes), the arrays follow in its order, all of it
compressed. Dataclasses may stand inside one another; a float or an array may be None. A field with
a default may be missing, for bytes of an older program have not got it.
"""

import json
import zlib
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

import numpy as np

VERSION = 1
_LEVEL = 1  # half the size at a third of the time of the default

T = TypeVar("T")


def pack(record: object) -> bytes:
    """The record's fields as bytes."""
    header: list[list[Any]] = []
    body: list[bytes] = []
    _write("", record, header, body)
    head = json.dumps([VERSION, header], separators=(",", ":")).encode()
    return zlib.compress(head + b"\n" + b"".join(body), _LEVEL)


def unpack(kind: type[T], blob: bytes) -> T:
    """The record of `kind` that `pack` wrote; its arrays are read-only.

    Raises ValueError where the bytes are damaged, of another version or of another record.
    """
    name = kind.__name__
    try:
        head, body = zlib.decompress(blob).split(b"\n", 1)
        version, rows = json.loads(head)
    except (zlib.error, ValueError) as error:
        raise ValueError(f"{name}: {len(blob)} bytes cannot be read ({error})") from error
    if version != VERSION:
        raise ValueError(f"{name}: bytes of version {version}, allowed: {VERSION}")
    found, at = {}, 0
    for field, dtype, shape in rows:
        if dtype is None:
            found[field] = shape
            continue
        count = int(np.prod(shape, dtype=np.int64))
        size = count * np.dtype(dtype).itemsize
        if at + size > len(body):
            raise ValueError(f"{name}: {len(body)} bytes of numbers, field {field} needs more")
        found[field] = np.frombuffer(body, np.dtype(dtype), count, at).reshape(shape)
        at += size
    record: T = _read(kind, "", found)
    return record


def _write(prefix: str, record: Any, header: list[list[Any]], body: list[bytes]) -> None:  # noqa: ANN401
    for field in fields(record):
        content, path = getattr(record, field.name), prefix + field.name
        if is_dataclass(content):
            _write(path + ".", content, header, body)
        elif isinstance(content, np.ndarray):
            plain = np.ascontiguousarray(content)
            plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
            header.append([path, plain.dtype.str, list(plain.shape)])
            body.append(plain.tobytes())
        else:
            # JSON writes the shortest text that reads back as the same float.
            header.append([path, None, content])


def _read(kind: Any, prefix: str, found: dict[str, Any]) -> Any:  # noqa: ANN401
    hints = get_type_hints(kind)
    content = {}
    for field in fields(kind):
        path = prefix + field.name
        if is_dataclass(hints[field.name]):
            content[field.name] = _read(hints[field.name], path + ".", found)
        elif path in found:
            content[field.name] = found[path]
        elif field.default is not MISSING:
            content[field.name] = field.default
        else:
            raise ValueError(f"{kind.__name__}: no field {path} in the bytes")
    return kind(**content)

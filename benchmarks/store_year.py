"""A year of readings in a store: its bytes, and how long one meter's month, one slot, a year's sums
take.

Writes what the loop writes of readings for so many slots of 9,000 meters, as they came and as
signed (the signatures are noise, as real ones look to a compressor), and reads it back. Below a
year the slope is stated: bytes and seconds grow with the slots.

    python benchmarks/store_year.py sqlite:///year.db --slots 35040
"""

import argparse
import time

import numpy as np
from sqlalchemy import Connection

from energy.store.books import load_signed_readings, save_signed_readings
from energy.store.engine import Store, open_store
from energy.store.readings import load_readings, save_readings
from energy.units import SLOT_S, SLOTS_PER_DAY

FIRST = 1_767_193_200  # 1 January 2026 in Seoul
METERS, YEAR, MONTH = 9_000, 35_040, 30 * SLOTS_PER_DAY
COLUMNS = ("import_wh", "export_wh")


def slot_of(number: int) -> int:
    """Start of a slot of the year."""
    return FIRST + number * SLOT_S


def write_slots(store: Store, count: int) -> float:
    """Seconds to write so many slots, each in a transaction of its own."""
    chance, begun = np.random.default_rng(1), time.perf_counter()
    register = {name: np.zeros(METERS, dtype=np.int64) for name in COLUMNS}
    for number in range(count):
        sun = max(np.sin((number % SLOTS_PER_DAY / SLOTS_PER_DAY - 0.25) * 2 * np.pi), 0.0)
        body = {
            "import_wh": chance.gamma(2.0, 60.0, METERS).astype(np.int64),
            "export_wh": (sun * 300 * (np.arange(METERS) % 3 == 0)).astype(np.int64),
        }
        for name in COLUMNS:
            register[name] = register[name] + body[name]
        body |= {name.replace("_wh", "_register_wh"): register[name] for name in COLUMNS}
        body["quality"] = np.ones(METERS, dtype=np.int64)
        signed = {**body, "account": np.arange(METERS)}

        def unit(
            connection: Connection,
            slot: int = slot_of(number),
            body: dict[str, np.ndarray] = body,
            signed: dict[str, np.ndarray] = signed,
        ) -> None:
            save_readings(connection, slot, body)
            save_signed_readings(connection, slot, signed, chance.bytes(65 * METERS))

        store.write(unit)
    return time.perf_counter() - begun


def size_bytes(connection: Connection) -> int:
    """Bytes of the whole store."""
    if connection.dialect.name == "sqlite":
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one())
    found = connection.exec_driver_sql("SELECT pg_database_size(current_database())")
    return int(found.scalar_one())


def seconds_to_read(store: Store, first: int, count: int, signed: bool) -> float:
    """Seconds to read the readings of so many slots and to add them up."""
    begun, sums = time.perf_counter(), np.zeros(METERS, dtype=np.int64)
    for number in range(first, first + count):
        slot = slot_of(number)
        if signed:
            found = store.read(lambda c, at=slot: load_signed_readings(c, at))
            assert found is not None
            sums += found[0]["import_wh"]
        else:
            columns = store.read(lambda c, at=slot: load_readings(c, at))
            assert columns is not None
            sums += columns["import_wh"]
    return time.perf_counter() - begun


def main() -> None:
    """Write, read, state."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("url", help="an empty store")
    ask.add_argument("--slots", type=int, default=YEAR)
    given = ask.parse_args()
    with open_store(given.url) as store:
        empty = store.read(size_bytes)
        written_s = write_slots(store, given.slots)
        grown = store.read(size_bytes) - empty
        month = min(MONTH, given.slots)
        print(f"{given.slots} slots of {METERS} meters: {grown / 1e9:.3f} GB")
        print(f"  a slot {grown / given.slots / 1e3:.0f} kB, written in "
              f"{written_s / given.slots * 1e3:.0f} ms; a year by that {grown / given.slots * YEAR / 1e9:.1f} GB")  # fmt: skip # noqa: E501
        for what, count, signed in (
            ("one slot, all meters", 1, False),
            ("a month of one meter", month, False),
            ("… as signed", month, True),
            ("the sums of all slots", given.slots, False),
        ):
            seconds = seconds_to_read(store, 0, count, signed)
            print(
                f"  {what}: {seconds:.3f} s for {count} slots, {seconds / count * 1e3:.2f} ms each"
            )


if __name__ == "__main__":
    main()

"""Set-points of a slot: what every asset was told, with its expiry and the fence of the teller."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from energy.store.schema import setpoint
from energy.store.slots import Claim


@dataclass(frozen=True)
class StoredSetPoints:
    """The bytes that the plant reads, valid until `expires_utc`."""

    slot: int
    fence: int
    expires_utc: int
    body: bytes


def save_setpoints(connection: Connection, claim: Claim, expires_utc: int, body: bytes) -> None:
    """Keep the set-points of the claimed slot, in the unit that publishes it."""
    row = {"slot": claim.slot, "fence": claim.fence, "expires_utc": expires_utc, "body": body}
    connection.execute(setpoint.insert().values(row))


def replace_setpoints(
    connection: Connection, claim: Claim, expires_utc: int, body: bytes | None
) -> None:
    """Let other set-points hold for a slot that had some or none; None leaves it without any.

    The claim's fence must be a new one, for devices refuse what has a lower fence than they know.
    """
    connection.execute(setpoint.delete().where(setpoint.c.slot == claim.slot))
    if body is not None:
        save_setpoints(connection, claim, expires_utc, body)


def load_setpoints(connection: Connection, slot: int) -> StoredSetPoints | None:
    """The set-points that were published for a slot, or None where none were."""
    row = connection.execute(select(setpoint).where(setpoint.c.slot == slot)).first()
    return None if row is None else StoredSetPoints(**row._mapping)


def prune_setpoints(connection: Connection, before: int) -> None:
    """Forget set-points of slots before `before`; their slots' plans stay as views."""
    connection.execute(setpoint.delete().where(setpoint.c.slot < before))

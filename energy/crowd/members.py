"""Who the crowd is: one member per trading meter, with a key of its own and habits of its own."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from energy.crowd.errors import CrowdError as CrowdError
from energy.district import District
from market.entries import Message
from market.messages import envelope_text
from market.signing import Domain, address_of, derive_key, digest, sign

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

TRADE, CONTRACT = 1, 2
# Orders count their nonces from the slot; 0 stays free for the key's own registration.
KEY_NONCE = 0


@dataclass(frozen=True, eq=False, repr=False)
class Crowd:
    """The N trading meters of a district in rising order of `meter`, and how each of them bids.

    sun_trust (N,): personal factor of what a member expects of the sun; thrift (N,): 0 for those
    who bid what a kWh is worth to them, towards 1 for those who hold out for a better price.
    """

    district: District
    seed: int
    meter: IntArray
    account: tuple[bytes, ...]
    private_key: tuple[bytes, ...]
    address: tuple[bytes, ...]
    zone: IntArray
    sun_trust: FloatArray
    thrift: FloatArray

    def __len__(self) -> int:
        """Number of members."""
        return len(self.meter)

    def __repr__(self) -> str:
        """District, seed and size; the keys stay inside."""
        return f"Crowd({self.district.id!r}, seed={self.seed}, members={len(self)})"


@dataclass(frozen=True)
class KeyRegistration:
    """A KeyRegister message of one member and the new key's signature: the first of the two.

    The second is the registrar's, over the same digest.
    """

    message: dict[str, Any]
    address: bytes
    signature: bytes


def demo_key(district_id: str, seed: int, meter: int) -> bytes:
    """The private key of a meter in a simulated district; no secret, it follows from the names."""
    return derive_key(f"{district_id} {seed} meter {meter}")


def build_crowd(district: District, seed: int) -> Crowd:
    """All members of a district, the same for the same district and seed."""
    meter = np.flatnonzero(district.meters.trades).astype(np.int64)
    keys = tuple(demo_key(district.id, seed, int(one)) for one in meter)
    rng = np.random.default_rng([district.seed, seed, 11])
    return Crowd(
        district=district,
        seed=seed,
        meter=meter,
        account=tuple(district.meters.account[int(one)] for one in meter),
        private_key=keys,
        address=tuple(address_of(key) for key in keys),
        zone=district.zone_of_meter[meter],
        sun_trust=rng.lognormal(-0.5 * 0.1**2, 0.1, len(meter)),
        thrift=rng.beta(1.5, 4.0, len(meter)),
    )


def register_messages(crowd: Crowd, domain: Domain, from_slot: int) -> list[KeyRegistration]:
    """KeyRegister of every member's key for trading and contracts, signed by that key, in order of
    the meters.
    """
    registrations = []
    for account, key, address in zip(crowd.account, crowd.private_key, crowd.address, strict=True):
        message = {
            "account": account,
            "key": address,
            "roles": TRADE | CONTRACT,
            "from_slot": from_slot,
            "nonce": KEY_NONCE,
        }
        signature = sign(key, digest(domain, "KeyRegister", message))
        registrations.append(KeyRegistration(message, address, signature))
    return registrations


def sign_orders(crowd: Crowd, domain: Domain, orders: Iterable[Message]) -> list[bytes]:
    """Envelopes as `parse_envelope` reads them, one per order, each signed by its account's key.

    Raises CrowdError where an account is no member's.
    """
    return _sign_all(crowd, domain, "Order", orders)


def sign_commits(crowd: Crowd, domain: Domain, commits: Iterable[Message]) -> list[bytes]:
    """The same for answers to a DR event."""
    return _sign_all(crowd, domain, "DrCommit", commits)


def _sign_all(
    crowd: Crowd, domain: Domain, type_name: str, messages: Iterable[Message]
) -> list[bytes]:
    row_of = {account: row for row, account in enumerate(crowd.account)}
    envelopes = []
    for one in messages:
        row = row_of.get(one["account"])
        if row is None:
            account = one["account"].hex()
            raise CrowdError(f"account 0x{account}: no member of the crowd, allowed {len(crowd)}")
        key, address = crowd.private_key[row], crowd.address[row]
        envelopes.append(sign_message(domain, type_name, one, key, address=address))
    return envelopes


def sign_order(domain: Domain, order: Message, private_key: bytes, *, address: bytes) -> bytes:
    """The envelope of one order, signed."""
    return sign_message(domain, "Order", order, private_key, address=address)


def sign_message(
    domain: Domain, type_name: str, message: Message, private_key: bytes, *, address: bytes
) -> bytes:
    """The envelope of one message of a type with one signature, as `parse_envelope` reads it."""
    signature = sign(private_key, digest(domain, type_name, message))
    return envelope_text(type_name, message, [(address, signature)])

"""What may be traded in a district and which contracts it begins with: `contracts.toml`.

The file stands beside `district.toml` and may be missing: then nothing bills and nothing is signed.
Its keys are described at its top; one that is unknown or odd is named in one sentence.
"""

import tomllib
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from energy.district.model import Agreements, District, DistrictError, FirstContract, Regime
from energy.units import MKRW_PER_KRW
from market.agreements import SideTerms
from market.contracts import PPM, ContractKind

FILE = "contracts.toml"
KINDS = {
    "neighbour": ContractKind.NEIGHBOUR,
    "ppa-as-consumed": ContractKind.PPA_AS_CONSUMED,
    "ppa-as-produced": ContractKind.PPA_AS_PRODUCED,
    "cfd": ContractKind.CFD,
    "partner": ContractKind.PARTNER,
}
WH_PER_KWH = 1000


def _won(text: str) -> str:
    try:
        thousandths = Decimal(text) * MKRW_PER_KRW
    except InvalidOperation:
        thousandths = Decimal("0.5")
    if not thousandths.is_finite() or thousandths != int(thousandths):
        raise ValueError("won with at most three decimals, as a text")
    return text


Ppm = Annotated[int, Field(ge=0, le=PPM)]
Won = Annotated[str, AfterValidator(_won)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Regime(_Table):
    name: Literal["kepco-only", "sandbox", "specialised-area", "district-business"]
    bills: tuple[Literal["neighbour", "ppa", "p2p"], ...]
    surplus_limit_ppm: Ppm
    supply_ratio_ppm: Ppm


class Party(_Table):
    """Which meter: the `nth` of a use, or a plant of the operator by its size."""

    use: str | None = None
    solar: bool | None = None
    trades: bool | None = None
    nth: Annotated[int, Field(ge=0)] = 0
    plant: Annotated[int | None, Field(ge=0)] = None


class _Contract(_Table):
    kind: Literal["neighbour", "ppa-as-consumed", "ppa-as-produced", "cfd", "partner"]
    seller: Party
    buyer: Party
    share: Annotated[float, Field(gt=0, le=1)]
    cap_kwh: Annotated[float, Field(gt=0)]
    price_krw_per_kwh: Won
    charge_krw_per_kwh: Won = "0"
    rank: Annotated[int, Field(ge=0, le=255)] = 0
    none_below_zero: bool = False
    even_at_a_loss: bool = False


class _File(_Table):
    regime: _Regime
    contract: list[_Contract] = Field(default_factory=list)


def read_agreements(folder: Path, district: District) -> Agreements:
    """The regime and the first contracts of a district; raises DistrictError in one sentence."""
    path = folder / FILE
    if not path.exists():
        return Agreements()
    try:
        file = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DistrictError(f"{path}: no valid TOML, {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        allowed = first["msg"].removeprefix("Value error, ")
        raise DistrictError(
            f"{path}: field {where}: found {first['input']!r}, allowed: {allowed}"
        ) from error
    regime = Regime(**file.regime.model_dump())
    found = (_first_contract(one, district) for one in file.contract)
    return Agreements(regime, tuple(one for one in found if one is not None))


def _first_contract(one: _Contract, district: District) -> FirstContract | None:
    """The contract between meters of the district, None where a party is not there."""
    seller, buyer = (_meter_of(party, district) for party in (one.seller, one.buyer))
    if seller is None or buyer is None:
        return None
    terms = SideTerms(_mkrw(one.charge_krw_per_kwh), one.none_below_zero, one.even_at_a_loss)
    return FirstContract(
        kind=KINDS[one.kind],
        seller=seller,
        buyer=buyer,
        cap_wh=int(one.cap_kwh * WH_PER_KWH),
        share_ppm=round(one.share * PPM),
        price_mkrw_per_kwh=_mkrw(one.price_krw_per_kwh),
        rank=one.rank,
        terms=terms.packed(),
    )


def _meter_of(party: Party, district: District) -> str | int | None:
    """The number of a customer's meter or the name of a plant's; None where there is none."""
    if party.plant is not None:
        kwp = district.pv.spc_kwp.sum(axis=1)
        largest_first = np.argsort(-kwp, kind="stable")
        if party.plant >= int((kwp > 0).sum()):
            return None
        return f"solar-{district.network.areas.id[int(largest_first[party.plant])]}"
    meters = district.meters
    fits = np.array([party.use in (None, use) for use in meters.use])
    if party.solar is not None:
        fits &= (meters.pv_kwp > 0) == party.solar
    if party.trades is not None:
        fits &= meters.trades == party.trades
    rows = np.flatnonzero(fits)
    return int(rows[party.nth]) if party.nth < len(rows) else None


def _mkrw(text: str) -> int:
    return int(Decimal(text) * MKRW_PER_KRW)

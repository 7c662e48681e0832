"""A small district's crowd, public prices, and a market that answers what the test says."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from energy.crowd import Crowd, PublicPrices, TariffBlock, build_crowd
from energy.district import District, load_district
from energy.timegrid import iso_of, parse_instant
from market.messages import Envelope, message_as_json, parse_envelope
from market.signing import Domain, address_of, derive_key, digest, sign

NOON = parse_instant("2026-07-15T12:00+09:00")
NIGHT = parse_instant("2026-07-15T23:00+09:00")
TARIFFS = {
    "residential-hv": (TariffBlock(300, 119_000), TariffBlock(None, 188_000)),
    "residential-lv": (TariffBlock(300, 134_000), TariffBlock(None, 228_600)),
}


@pytest.fixture(scope="session")
def district() -> District:
    return load_district("sejong-5-1@0.02")


@pytest.fixture(scope="session")
def crowd(district: District) -> Crowd:
    return build_crowd(district, 1)


@pytest.fixture(scope="session")
def prices() -> PublicPrices:
    return PublicPrices(
        feed_in_mkrw_per_kwh=112_700,
        tariffs=TARIFFS,
        recent_mkrw_per_kwh=(None, 131_000, 128_000, None, 130_000),
        sun_frac=0.8,
    )


@pytest.fixture(scope="session")
def domain() -> Domain:
    return Domain("sejong-5-1@0.02/sim/1")


def prices_document(slot: int, now_s: int, slot_seconds_real: float = 0.5) -> dict[str, Any]:
    """An answer of `GET /v1/prices` in which `slot` is the first open one."""
    blocks = {
        name: [
            {"up_to_kwh": b.up_to_kwh, "krw_per_kwh": str(b.price_mkrw_per_kwh / 1000)}
            for b in rows
        ]
        for name, rows in TARIFFS.items()
    }
    return {
        "district": {"id": "sejong-5-1@0.02", "name": {"en": "Sejong 5-1"}},
        "market": {"id": "sejong-5-1@0.02/sim/1", "chain_id": 1},
        "clock": {"now_utc": iso_of(now_s), "slot_seconds_real": slot_seconds_real},
        "open": {"first_slot_utc": iso_of(slot), "slots": 96, "gate_lead_s": 300},
        "rules": {
            "version": 1,
            "price_floor_krw_per_kwh": "0",
            "price_cap_krw_per_kwh": "1000",
            "price_tick_krw_per_kwh": "0.1",
        },
        "feed_in_krw_per_kwh": "112.7",
        "tariffs": blocks,
        "sun_frac": 0.8,
        "last": [{"slot_utc": iso_of(slot - 1800), "price_krw_per_kwh": "130"}],
    }


@dataclass
class StubMarket:
    """What the market at the other end says, changed by the test; and what it was sent."""

    slot: int = NOON
    slot_seconds_real: float = 0.5
    down: bool = False
    fail_after: int | None = None
    refuse: tuple[int, str] | None = None
    receipt_entry: bytes | None = None
    receipt_signer: bytes | None = None
    posted: list[bytes] = field(default_factory=list)
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def envelopes(self) -> list[Envelope]:
        """What was posted, read as the real door reads it."""
        return [parse_envelope(text, {"Order"}) for text in self.posted]

    def take(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and document for a posted order."""
        with self.lock:
            if self.down or (self.fail_after is not None and len(self.posted) >= self.fail_after):
                self.down = True
                return 503, {"code": "STORE_BUSY"}
            self.posted.append(body)
        if self.refuse is not None:
            status, code = self.refuse
            return status, {"code": code, "detail": "slot: found 1, allowed 2"}
        return 201, {"status": "ACCEPTED", "receipt": self.receipt_for(body)}

    def receipt_for(self, body: bytes) -> dict[str, Any]:
        """A receipt as the real market gives it; `receipt_entry` makes it one for another order."""
        domain, key = Domain("sejong-5-1@0.02/sim/1"), derive_key("stub market")
        order = parse_envelope(body, {"Order"}).message
        entry = self.receipt_entry or digest(domain, "Order", order)
        message = {"entry": entry, "received": self.slot - 900, "sealed_by": self.slot}
        signature = sign(key, digest(domain, "Receipt", message))
        signer = self.receipt_signer or address_of(key)
        return {
            "type": "Receipt",
            "message": message_as_json("Receipt", message),
            "signatures": [{"signer": f"0x{signer.hex()}", "signature": f"0x{signature.hex()}"}],
        }


def build_stub(market: StubMarket) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/v1/prices")
    async def prices() -> Response:
        if market.down:
            return Response(status_code=503)
        document = prices_document(market.slot, market.slot - 900, market.slot_seconds_real)
        return Response(json.dumps(document), media_type="application/json")

    @app.post("/v1/orders")
    async def orders(request: Request) -> Response:
        status, document = market.take(await request.body())
        await asyncio.sleep(0.001)
        return Response(json.dumps(document), status, media_type="application/json")

    return app


@pytest.fixture
def stub(serve_app: Callable[[FastAPI], str]) -> StubMarket:
    market = StubMarket()
    market.address = serve_app(build_stub(market))
    return market

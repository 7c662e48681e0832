"""Signatures have one form; every other form of the same signature is refused before recovery."""

import hashlib
import json

import pytest
from eth_account import Account
from eth_keys.main import lazy_key_api
from hypothesis import given, settings
from hypothesis import strategies as st

from market import signing, verifier
from market.entries import keccak256
from market.errors import MarketError
from market.signing import (
    CURVE_ORDER,
    S_MAX,
    SignatureError,
    address_of,
    decrypt_key,
    derive_key,
    encrypt_key,
    high_s_twin,
    recover,
    require_canonical,
    require_native_backend,
    sign,
)

KEY = derive_key("test")
DIGEST = hashlib.sha256(b"entry").digest()
GOOD = sign(KEY, DIGEST)


def parts(r: int, s: int, v: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v])


R, S, V = int.from_bytes(GOOD[:32], "big"), int.from_bytes(GOOD[32:64], "big"), GOOD[64]


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=8), st.binary(min_size=32, max_size=32))
def test_signing_is_deterministic_and_recovers_its_signer(seed: bytes, digest: bytes) -> None:
    key = derive_key(seed.hex())
    made = sign(key, digest)
    assert made == sign(key, digest)
    require_canonical(made)
    assert recover(digest, made) == address_of(key) == verifier.recover(digest, made)
    public = lazy_key_api.PrivateKey(key)
    assert public.public_key.to_canonical_address() == address_of(key)
    assert Account.from_key(key).address.lower() == "0x" + address_of(key).hex()


@pytest.mark.parametrize("v", [v for v in range(256) if v not in (27, 28)])
def test_every_other_v_is_refused(v: int) -> None:
    with pytest.raises(SignatureError, match=f"v is {v}, allowed 27 or 28"):
        recover(DIGEST, parts(R, S, v))
    assert verifier.recover(DIGEST, parts(R, S, v)) is None


WRONG_FORMS = [
    ("high-s twin", high_s_twin(GOOD), "half the curve order"),
    ("s just above the half", parts(R, S_MAX + 1, V), "half the curve order"),
    ("s of zero", parts(R, 0, V), "half the curve order"),
    ("s of the order", parts(R, CURVE_ORDER, V), "half the curve order"),
    ("r of zero", parts(0, S, V), "r is 0x0"),
    ("r of the order", parts(CURVE_ORDER, S, V), "the curve order less 1"),
    ("r of all ones", parts(2**256 - 1, S, V), "the curve order less 1"),
    ("64 bytes", GOOD[:64], "64 bytes, allowed 65"),
    ("66 bytes", GOOD + b"\x00", "66 bytes, allowed 65"),
    ("nothing", b"", "0 bytes, allowed 65"),
    ("compact form", GOOD[:32] + bytes([GOOD[32] | 0x80]) + GOOD[33:64], "64 bytes"),
]


@pytest.mark.parametrize("form", WRONG_FORMS, ids=lambda form: str(form[0]))
def test_a_wrong_form_is_refused_before_recovery(
    form: tuple[str, bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Touched:
        @staticmethod
        def from_signature_and_message(*_: object, **__: object) -> None:
            raise AssertionError("the curve was touched")

    monkeypatch.setattr(signing, "PublicKey", Touched)
    with pytest.raises(SignatureError, match=form[2]):
        recover(DIGEST, form[1])
    assert len(form[1]) != 65 or verifier.recover(DIGEST, form[1]) is None


def test_the_largest_low_s_and_the_smallest_r_are_forms() -> None:
    require_canonical(parts(1, S_MAX, 27))
    require_canonical(parts(CURVE_ORDER - 1, 1, 28))
    with pytest.raises(SignatureError, match="no key fits"):
        # 5 is no x coordinate of the curve.
        recover(DIGEST, parts(5, 1, 27))
    assert verifier.recover(DIGEST, parts(5, 1, 27)) is None


def test_one_bit_flipped_never_names_the_signer() -> None:
    signer, named = address_of(KEY), 0
    for bit in range(8 * 65):
        raw = bytearray(GOOD)
        raw[bit // 8] ^= 1 << bit % 8
        found = verifier.recover(DIGEST, bytes(raw))
        try:
            assert recover(DIGEST, bytes(raw)) == found
        except SignatureError:
            assert found is None
        named += found == signer
    assert named == 0


@pytest.mark.check(22, canary=True)
def test_start_up_accepts_the_native_backend_only(monkeypatch: pytest.MonkeyPatch) -> None:
    require_native_backend()
    monkeypatch.setattr(signing, "sign", lambda *_: high_s_twin(GOOD))
    with pytest.raises(MarketError, match="fixed digest"):
        require_native_backend()
    monkeypatch.undo()
    monkeypatch.setattr(signing, "recover", lambda *_: address_of(KEY))
    with pytest.raises(MarketError, match="twin of a signature with high s"):
        require_native_backend()
    monkeypatch.undo()

    class NativeECCBackend:
        pass

    monkeypatch.setattr(lazy_key_api, "_backend", NativeECCBackend(), raising=False)
    monkeypatch.setattr(type(lazy_key_api), "backend", property(lambda _: NativeECCBackend()))
    with pytest.raises(MarketError, match="NativeECCBackend is active"):
        require_native_backend()


def test_keystore_opens_with_its_password_only() -> None:
    text = encrypt_key(KEY, "correct horse", iterations=2)
    assert KEY.hex() not in text
    assert json.loads(text)["version"] == 3
    assert decrypt_key(text, "correct horse") == KEY
    for wrong in ((text, "battery staple"), ("{}", "correct horse"), ("no json", "x")):
        with pytest.raises(MarketError, match="keystore: cannot be opened"):
            decrypt_key(*wrong)


def test_derived_keys_lie_inside_the_curve_order() -> None:
    keys = {derive_key(f"meter {n}") for n in range(200)}
    assert len(keys) == 200
    assert all(0 < int.from_bytes(key, "big") < CURVE_ORDER for key in keys)
    assert derive_key("meter 0") != keccak256(b"meter 0")

"""The crowd at the real market's door: it understands what is published, and is let in."""

from pathlib import Path

from energy.crowd import Crowd, build_orders, sign_orders
from energy.crowd.public import parse_market
from energy.steps.public import DistrictTime, prices_document
from energy.store.admission import Admission, TradeKey, admit_orders, traders_of
from energy.store.engine import open_store
from energy.timegrid import parse_instant
from market.rules import RuleBook
from market.signing import Domain, derive_key

NOW_S = parse_instant("2026-07-15T12:01+09:00")


def test_every_order_made_from_the_published_prices_is_accepted(
    crowd: Crowd, domain: Domain, tmp_path: Path
) -> None:
    keys = {
        account: [TradeKey(address, 0, None)]
        for account, address in zip(crowd.account, crowd.address, strict=True)
    }
    admission = Admission(
        domain=domain,
        rules=lambda _: RuleBook(),
        traders=traders_of(crowd.district),
        keys=lambda connection, accounts: keys,
        salt=lambda account, order_id, _: order_id,
        market_key=derive_key("market"),
    )
    store = open_store(f"sqlite:///{tmp_path / 'market.db'}")
    time = DistrictTime(float(NOW_S), 15.0)
    document = store.read(lambda c: prices_document(c, crowd.district, admission, time))
    market = parse_market(document)
    assert market.domain == domain
    orders = build_orders(crowd, market.first_open_slot, market.prices)
    envelopes = sign_orders(crowd, market.domain, orders)
    answers = store.write(lambda c: admit_orders(c, admission, envelopes, float(NOW_S)))
    assert [answer.refusal for answer in answers] == [None] * len(orders)
    again = store.write(lambda c: admit_orders(c, admission, envelopes, float(NOW_S)))
    assert [answer.is_new for answer in again] == [False] * len(orders)
    store.close()

"""What can be read: the overview as the page wants it, prices, slots, auctions, figures."""

import gzip
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from energy.api.documents import LastAnswer
from energy.store import alarms, slots, views
from energy.store.alarms import Alarm
from energy.store.checkpoints import CheckpointRow, save_checkpoint
from energy.store.engine import Store
from energy.store.orders import save_clearing
from energy.store.schema import view
from energy.timegrid import parse_instant

HEAD = parse_instant("2026-11-22T05:15:00Z")
NOW = parse_instant("2026-11-22T05:17:00Z")
BANDS = ("plan_kw", "q10_kw", "q50_kw", "q90_kw")


@pytest.fixture
def publish() -> Callable[..., None]:
    def publish_slot(store: Store, slot: int, **documents: dict[str, Any]) -> None:
        def unit(connection: Any) -> None:
            claim = slots.claim_slot(connection, slot, "test", slot - 300)
            how = slots.SlotOutcome("ok", "T0", "proven within 0.1 %", 0.0004, 1)
            slots.publish_slot(connection, claim, how, slot - 290)
            for kind, document in documents.items():
                views.put_view(connection, kind, slot, document)

        store.write(unit)

    return publish_slot


def case(name: str) -> dict[str, Any]:
    path = Path(__file__).parents[2] / "cases" / "overview" / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def without_axis(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name not in ("start_utc", "step_s")}


def store_case(store: Store, full: dict[str, Any], publish: Callable[..., None]) -> None:
    """The case as the cycle would have written it: a plan, 16 measured slots, 96 auctions."""
    balance, market = full["balance"], full["market"]
    sides = ("sources", "uses")

    def column(side: str, n: int) -> dict[str, float]:
        return {name: values[n] for name, values in balance[side].items()}

    plan = {side: {name: v[16:] for name, v in balance[side].items()} for side in sides}
    plan |= {
        "import": {
            **{name: full["import"][name][16:] for name in BANDS},
            "peak_so_far_kw": full["import"]["peak_so_far_kw"],
            "limit_kw": full["import"]["limit_kw"],
            # A plan of an older version has no marks.
            **({"peak_counts": marks[16:]} if (marks := full["import"].get("peak_counts")) else {}),
        },
        **{name: without_axis(full[name]) for name in ("forecast", "stores", "heat")},
        "grid": full["grid"],
    }
    publish(store, HEAD, plan=plan, ledger=full["ledger"])

    def unit(connection: Any) -> None:
        for n in range(16):
            seen = {
                **{side: column(side, n) for side in sides},
                "quality": balance["quality"][n],
                "import_kw": full["import"]["measured_kw"][n],
                "kpi": full["kpi"],
            }
            views.put_view(connection, "measured", HEAD + (n - 16) * 900, seen)
        history = market["history"]
        pairs = zip(history["price_krw_per_kwh"], history["volume_kwh"], strict=True)
        for n, (price, volume) in enumerate(pairs):
            shown = None if price is None else str(price)
            body = {"price_krw_per_kwh": shown, "volume_kwh": volume}
            if n == 95:
                body = {**body, **{k: v for k, v in market.items() if k != "history"}}
            views.put_view(connection, "market", HEAD + (n - 95) * 900, body)
        slots.record_seconds(connection, HEAD, full["cycle"]["seconds"])

    store.write(unit)


def test_before_the_first_slot_the_overview_is_the_empty_case(served: Any) -> None:
    served.clock.at_s = NOW
    answer = served.ask("/v1/overview")
    assert answer.status == 200
    empty = case("empty")
    del empty["district"]
    found = answer.json
    assert found.pop("district")["time_zone"] == "Asia/Seoul"
    assert found == empty


@pytest.mark.invented
@pytest.mark.parametrize("name", ["full", "no_trade"])
def test_the_overview_of_a_written_case_is_that_case(
    served: Any, publish: Callable[..., None], name: str
) -> None:
    served.clock.at_s = NOW
    full = case(name)
    store_case(served.store, full, publish)
    found = served.ask("/v1/overview").json
    for block in set(full) - {"district", "as_of_utc", "cycle"}:
        assert found[block] == full[block], block
    assert found["as_of_utc"] == "2026-11-22T05:15:00Z"
    assert found["cycle"] == {**full["cycle"], "outcome": "ok"}


@pytest.mark.invented
def test_what_was_not_measured_is_a_gap_but_the_running_slot_is_shown_as_planned(
    served: Any, publish: Callable[..., None]
) -> None:
    served.clock.at_s = NOW
    full = case("full")
    store_case(served.store, full, publish)

    def unit(connection: Any) -> None:
        for n in (3, 15):
            slot = HEAD + (n - 16) * 900
            connection.execute(view.delete().where(view.c.kind == "measured", view.c.slot == slot))
        before = {"sources": {"solar": [7.0, 8.0]}, "uses": {"losses": [1.0, 2.0]}}
        views.put_view(connection, "plan", HEAD - 900, before)

    served.store.write(unit)
    found = served.ask("/v1/overview").json
    balance = found["balance"]
    assert balance["quality"][3] == "missing" and balance["sources"]["solar"][3] is None
    assert balance["quality"][15] == "plan" and balance["sources"]["solar"][15] == 7.0
    assert balance["uses"]["losses"][15] == 1.0 and balance["uses"]["cars"][15] == 0.0
    assert found["import"]["measured_kw"][3] is None
    assert found["import"]["measured_kw"][15] is None
    assert len(balance["quality"]) == len(balance["sources"]["solar"]) == 112


@pytest.mark.invented
def test_a_missed_slot_is_told_and_the_older_plan_keeps_its_age(
    served: Any, publish: Callable[..., None]
) -> None:
    served.clock.at_s = NOW + 900
    store_case(served.store, case("full"), publish)
    missed = slots.SlotOutcome("missed", "T4", "the slot was over before it could be planned")

    def unit(connection: Any) -> None:
        claim = slots.claim_slot(connection, HEAD + 900, "test", NOW)
        slots.publish_slot(connection, claim, missed, NOW)

    served.store.write(unit)
    found = served.ask("/v1/overview").json
    assert found["cycle"]["outcome"] == "missed"
    assert found["cycle"]["slot_utc"] == "2026-11-22T05:30:00Z"
    assert found["as_of_utc"] == "2026-11-22T05:15:00Z"
    assert found["balance"] == case("full")["balance"]


def test_a_reader_that_has_the_overview_is_told_so_until_it_changes(
    served: Any, publish: Callable[..., None]
) -> None:
    served.clock.at_s = NOW
    first = served.ask("/v1/overview")
    known = {"If-None-Match": first.headers["etag"]}
    again = served.ask("/v1/overview", headers=known)
    assert (again.status, again.body) == (304, b"")
    publish(served.store, HEAD, plan={})
    changed = served.ask("/v1/overview", headers=known)
    assert changed.status == 200 and changed.headers["etag"] != first.headers["etag"]
    known = {"If-None-Match": changed.headers["etag"]}
    alarm = Alarm("grid/F3", "alarm", "Feeder 3 reaches 104 %", "line F3-07", "Limit feeder 3.")
    served.store.write(lambda c: alarms.raise_alarm(c, alarm, NOW))
    answer = served.ask("/v1/overview", headers=known)
    assert answer.status == 200
    assert [one["what"] for one in answer.json["alarms"]] == ["Feeder 3 reaches 104 %"]


def test_an_alarm_reads_as_the_page_expects_it(served: Any) -> None:
    full = case("alarms")["alarms"]
    for one in full:
        until = one["until_utc"]
        alarm = Alarm(
            one["id"], one["severity"], one["what"], one["where"], one["todo"],
            None if until is None else parse_instant(until),
        )  # fmt: skip
        since = parse_instant(one["since_utc"])
        served.store.write(lambda c, a=alarm, s=since: alarms.raise_alarm(c, a, s))
    found = served.ask("/v1/alarms").json["items"]
    graver_first = [full[1], full[0]]
    for read, told in zip(found, graver_first, strict=True):
        assert {k: v for k, v in told.items() if k != "id"}.items() <= read.items()


@pytest.mark.invented
def test_bodies_are_compressed_for_those_who_accept_it(
    served: Any, publish: Callable[..., None]
) -> None:
    store_case(served.store, case("full"), publish)
    served.clock.at_s = NOW
    plain = served.ask("/v1/overview")
    small = served.ask("/v1/overview", headers={"Accept-Encoding": "gzip"})
    assert small.headers["content-encoding"] == "gzip"
    assert len(small.body) < 0.4 * len(plain.body)
    assert json.loads(gzip.decompress(small.body)) == plain.json


def test_prices_say_what_is_open_and_by_which_rules(served: Any) -> None:
    found = served.ask("/v1/prices").json
    assert found["open"] == {
        "first_slot_utc": "2026-07-15T09:00:00Z",
        "slots": 96,
        "gate_lead_s": 300,
    }
    assert found["market"] == {"id": "sejong-5-1@0.02/test", "chain_id": 1}
    assert found["rules"]["price_tick_krw_per_kwh"] == "0.1"
    assert set(found["tariffs"]) >= {"residential-lv", "education-a-lv"}
    served.clock.at_s += 60
    later = served.ask("/v1/prices").json
    assert later["clock"]["now_utc"] == "2026-07-15T08:44:20Z"
    served.clock.at_s += 900
    assert served.ask("/v1/prices").json["open"]["first_slot_utc"] == "2026-07-15T09:15:00Z"


def test_slots_are_read_page_by_page_and_none_twice(
    served: Any, publish: Callable[..., None]
) -> None:
    for n in range(5):
        publish(served.store, HEAD + n * 900)
    path, seen = "/v1/slots?limit=2", []
    while path:
        page = served.ask(path).json
        seen += [row["slot_utc"][11:16] for row in page["items"]]
        path = page["next"]
    assert seen == ["06:15", "06:00", "05:45", "05:30", "05:15"]
    row = served.ask("/v1/slots").json["items"][0]
    assert (row["tier"], row["state"], row["published_utc"]) == (
        "T0",
        "published",
        "2026-11-22T06:10:10Z",
    )


@pytest.mark.parametrize(
    "slot", ("999999999900", "0001-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "9999-12-31T23:45:00Z")
)
def test_a_slot_that_is_not_in_our_time_is_refused(served: Any, slot: str) -> None:
    """The calendar ends, and so would what is worked out from such a slot."""
    save_trade = {"price_krw_per_kwh": "142.5", "volume_kwh": 1.0}
    served.store.write(lambda c: save_clearing(c, HEAD, 1, save_trade))
    for path in ("/v1/market/history?from={}", "/v1/market/history?to={}", "/v1/market/{}"):
        answer = served.ask(path.format(slot))
        assert (answer.status, answer.json["code"]) == (422, "MALFORMED"), path
        assert "from 1970 to 2099" in answer.json["allowed"]


@pytest.mark.invented
def test_a_slots_auction_is_found_by_instant_and_by_number(served: Any) -> None:
    def unit(connection: Any) -> None:
        views.put_view(connection, "market", HEAD, {"price_krw_per_kwh": "142.5"})
        save_clearing(connection, HEAD, 1, {"volume_wh": "500"})
        save_clearing(connection, HEAD, 2, {"volume_wh": "400"})

    served.store.write(unit)
    for name in ("2026-11-22T05:15:00Z", str(HEAD)):
        found = served.ask(f"/v1/market/{name}").json
        assert found == {"price_krw_per_kwh": "142.5", "clearing": {"volume_wh": "400"}}


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/v1/market/2026-11-22T05:30:00Z", 404, "slot"),
        ("/v1/market/yesterday", 422, "slot"),
        ("/v1/market/2026-11-22T05:16:00Z", 422, "slot"),
        ("/v1/plan", 404, "slot"),
        ("/v1/plan?slot=0x10", 422, "slot"),
        ("/v1/forecasts", 404, "slot"),
        ("/v1/measured", 404, "slot"),
        ("/v1/ledger", 404, "slot"),
        ("/v1/checkpoints/2026-11-22T05:30:00Z", 404, "tick"),
        ("/v1/checkpoints/0", 404, "tick"),
        ("/v1/checkpoints/first", 422, "tick"),
        ("/v1/slots?limit=0", 422, "limit"),
        ("/v1/slots?limit=1000000000", 422, "limit"),
        ("/v1/slots?before=now", 422, "before"),
        ("/v1/events?after=last", 422, "after"),
        ("/v1/nothing", 404, "path"),
    ],
)
def test_what_is_not_there_is_a_problem_that_names_the_field(
    shared: Any, path: str, status: int, field: str
) -> None:
    answer = shared.ask(path)
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["field"] == field


@pytest.mark.invented
def test_documents_of_the_newest_and_of_a_named_slot(
    served: Any, publish: Callable[..., None]
) -> None:
    for n in (0, 1):
        publish(served.store, HEAD + n * 900, plan={"forecast": {"n": n}, "n": n}, ledger={"n": n})
    assert served.ask("/v1/plan").json["n"] == 1
    assert served.ask(f"/v1/plan?slot={HEAD}").json["n"] == 0
    assert served.ask("/v1/forecasts").json == {"slot_utc": "2026-11-22T05:30:00Z", "n": 1}
    answer = served.ask("/v1/ledger")
    assert answer.json["n"] == 1
    again = served.ask("/v1/ledger", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status == 304


def test_a_checkpoint_is_read_as_it_was_signed(served: Any) -> None:
    row = CheckpointRow(
        tick=HEAD, digest=b"\x01" * 32, size=7, root=b"\x02" * 32, accounts_root=b"\x03" * 32,
        previous=b"\x04" * 32, signer=b"\x05" * 20, signature=b"\x06" * 65, note="origin\n7\n",
    )  # fmt: skip
    served.store.write(lambda c: save_checkpoint(c, row))
    found = served.ask("/v1/checkpoints/2026-11-22T05:15:00Z").json
    assert (found["size"], found["root"], found["note"]) == (7, "02" * 32, "origin\n7\n")
    assert found["signature"] == "0x" + "06" * 65


def test_ready_means_that_the_loop_is_at_work_and_on_time(
    served: Any, publish: Callable[..., None]
) -> None:
    served.trouble["loop"] = "the loop is being made ready"
    answer = served.ask("/readyz")
    assert (answer.status, answer.json["code"]) == (503, "NOT_READY")
    assert "being made ready" in answer.json["detail"]
    assert served.ask("/healthz").status == 200
    served.trouble.clear()
    assert served.ask("/readyz").status == 200
    publish(served.store, HEAD)
    served.clock.at_s = HEAD + 900 + 59
    assert served.ask("/readyz").status == 200
    served.clock.at_s = HEAD + 900 + 61
    late = served.ask("/readyz")
    assert late.status == 503 and "no slot is published after" in late.json["detail"]


def test_figures_are_counted(served: Any, desk: Any, publish: Callable[..., None]) -> None:
    for text in (desk.order(), desk.order(), b"{"):
        served.post(text)
    publish(served.store, HEAD, ledger={"size": 12, "unexplained_wh": "0", "unexplained_krw": "0"})
    lines = served.ask("/metrics").body.decode().splitlines()
    for line in (
        'microgrid_slots_total{tier="T0"} 1',
        'microgrid_orders_total{answer="ACCEPTED"} 1',
        'microgrid_orders_total{answer="KNOWN"} 1',
        'microgrid_orders_total{answer="MALFORMED"} 1',
        "microgrid_unsettled_slots 1",
        "microgrid_ledger_size 12",
        "microgrid_unexplained_wh 0",
        f"microgrid_last_slot_seconds {HEAD}",
    ):
        assert line in lines


def test_every_route_stands_in_the_document_with_its_errors(shared: Any) -> None:
    document = shared.ask("/openapi.json").json
    assert {"/v1/orders", "/v1/overview", "/v1/events", "/v1/slots"} <= set(document["paths"])
    post = document["paths"]["/v1/orders"]["post"]
    assert {"200", "201", "400", "401", "409", "413", "422", "503"} <= set(post["responses"])
    assert post["requestBody"]["content"]["application/json"]["example"]["type"] == "Order"
    assert document["components"]["schemas"].keys() >= {"Problem", "OrderEnvelope"}
    for place in ("/docs", "/redoc"):
        assert shared.ask(place).status == 404


def test_foreign_hosts_and_methods_are_refused(shared: Any) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", ""):
        answer = shared.ask("/v1/overview", headers={"Host": host})
        assert answer.status in (400, 421), host
    assert shared.ask("/v1/overview", headers={"Host": "localhost:1"}).status == 200
    answer = shared.ask("/v1/overview", method="DELETE")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert answer.json["code"] == "METHOD_NOT_ALLOWED"


def test_every_answer_has_a_number_and_safe_headers(shared: Any) -> None:
    answers = [shared.ask(path) for path in ("/v1/overview", "/v1/nothing", "/healthz")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_fault_of_the_server_tells_nothing_of_the_inside(
    served: Any, monkeypatch: pytest.MonkeyPatch, documented_answers: Any
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret path /etc/passwd")

    monkeypatch.setattr(served.app.state.cache, "get", fail)
    answer = served.ask("/v1/overview")
    assert answer.status == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] == "INTERNAL" and b"secret" not in answer.body
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    # No document allows it, and who looks at all answers says so.
    (told,) = documented_answers.take(invented=False)
    assert told.startswith("GET /v1/overview: 500 ")


def test_of_many_readers_at_once_one_builds_and_a_failure_is_not_kept() -> None:
    cache, built, may_end = LastAnswer(), [], threading.Event()

    def build() -> str:
        built.append("seen")
        may_end.wait(30)
        return "document"

    with ThreadPoolExecutor(8) as readers:
        asked = [readers.submit(cache.get, "one", "now", build) for _ in range(8)]
        assert cache.get("other", "now", lambda: "at once") == "at once"
        may_end.set()
        assert [each.result() for each in asked] == ["document"] * 8
    assert built == ["seen"]
    with pytest.raises(ZeroDivisionError):
        cache.get("one", "later", lambda: 1 / 0)
    assert cache.get("one", "later", build) == "document" and len(built) == 2

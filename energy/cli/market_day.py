"""`microgrid market day`: a period of the market proven slot by slot, and who gained what."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from energy.cli.settings import AsJson, DatabaseUrl
from energy.timegrid import iso_of, local_label, parse_instant, require_slot
from energy.units import krw_text_from_mkrw, krw_text_from_ukrw, percent_text_from_ppm
from market.guarantee import Outside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from energy.district import District
    from energy.steps.market_day import MarketDay, SlotAudit
    from market.guarantee import GuaranteeMonth

Source = Annotated[str | None, typer.Option("--district", help="default: that of the store")]
SHOWN_GAINS = (
    "saved", "trade", "forgone", "other", "delivered", "deviation", "gain", "contract_gain"
)  # fmt: skip
OUTLOOKS = {"ended_now": "ended now", "carried_on": "went on like this"}
WORST = 10


def day(
    from_: Annotated[
        str | None, typer.Option("--from", help="first slot, local to the district")
    ] = None,
    to: Annotated[str | None, typer.Option(help="end of the period, not in it")] = None,
    district: Source = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> int:
    """Budget and energy of every settled slot, and what the market brought each customer.

    Exit code 1 where a slot leaves something open.
    """
    # `market clear` and `bill` share this module's group and do without store and district.
    from energy.config import build_settings
    from energy.district import load_district
    from energy.steps.market_day import audit_market
    from energy.store.engine import open_reader
    from energy.store.errors import StoreError
    from energy.store.meta import find_fact

    with open_reader(build_settings(database_url=database_url).database_url) as store:
        kept = store.read(lambda connection: find_fact(connection, "district"))
        if district is None and kept is None:
            raise StoreError("market day: found no district in this store, allowed one with books")
        known = load_district(district or str(kept))
        if kept is not None and known.id != kept:
            raise StoreError(f"market day: found the district {known.id}, allowed {kept}")
        period = [None if one is None else _instant(one, known) for one in (from_, to)]
        found = audit_market(store, known, *period)
    document = day_document(found, known)
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        _print_day(found, document, known.time_zone)
    return 0 if found.is_closed else 1


def _instant(text: str, district: "District") -> int:
    return require_slot(parse_instant(text, district.time_zone))


def day_document(found: "MarketDay", district: "District") -> dict[str, Any]:
    """What `market day --json` prints; money as decimal strings of won."""
    rows = _customer_rows(found, district)
    return {
        "district": found.district,
        "from_utc": iso_of(found.first),
        "to_utc": iso_of(found.end),
        "closed": found.is_closed,
        "summary": _summary(found),
        "slots": [_slot_row(one) for one in found.slots],
        "customers": rows,
    }


def _summary(found: "MarketDay") -> dict[str, Any]:
    slots, customers = found.slots, found.customers
    rows = np.flatnonzero(customers.has_traded)
    gain, delivered = customers.gain_ukrw[rows], customers.delivered_ukrw[rows]
    so_far, lost = customers.gain_so_far_ukrw[rows], gain[gain < 0]
    by_kind = {
        f"{name}_krw": krw_text_from_ukrw(int(getattr(customers, f"{name}_ukrw")[rows].sum()))
        for name in SHOWN_GAINS
    }
    return {
        "slots": len(slots),
        "slots_with_trade": sum(one.price_low_mkrw_per_kwh is not None for one in slots),
        "open_ukrw": sum(one.open_ukrw for one in slots),
        "open_wh": sum(one.open_wh for one in slots),
        "orders": sum(one.orders for one in slots),
        "orders_against_limit": sum(one.against_limit for one in slots),
        "traded_wh": sum(one.bought_wh for one in slots),
        "replaced_wh": sum(one.replaced_wh for one in slots),
        "welfare_krw": krw_text_from_ukrw(sum(one.welfare_ukrw for one in slots)),
        "fee_krw": krw_text_from_ukrw(sum(one.fee_ukrw for one in slots)),
        "rent_krw": krw_text_from_ukrw(sum(one.rent_ukrw for one in slots)),
        "customers": len(customers.has_traded),
        "traders": len(rows),
        **by_kind,
        "worse_off": len(lost),
        "worse_off_by_krw": krw_text_from_ukrw(int(lost.sum())),
        "worst_gain_krw": krw_text_from_ukrw(int(gain.min()) if len(gain) else 0),
        "median_gain_krw": krw_text_from_ukrw(int(np.median(gain)) if len(gain) else 0),
        "worse_off_on_delivered": int((delivered < 0).sum()),
        "worse_off_as_the_month_stood": int((so_far < 0).sum()),
        **{name: _month_summary(found, getattr(found, name)) for name in OUTLOOKS},
    }


def _month_summary(
    found: "MarketDay", outlook: "Mapping[int, Sequence[GuaranteeMonth]]"
) -> dict[str, Any]:
    """What the market's guarantee would pay at the end of the months of the period."""
    months = [one for each in outlook.values() for one in each]
    before = [one.gain_ukrw for one in months if one.gain_ukrw < 0]
    after = [one for one in months if one.after_ukrw < 0]
    reasons = Counter(one.outside for one in after if one.outside)
    traders = int(found.customers.has_traded.sum())
    return {
        "worse_off": len(before),
        "worse_off_by_krw": krw_text_from_ukrw(sum(before)),
        "guarantee_krw": krw_text_from_ukrw(sum(one.given_ukrw for one in months)),
        "guaranteed": sum(one.given_ukrw > 0 for one in months),
        "worse_off_after": len(after),
        "worse_off_after_by_krw": krw_text_from_ukrw(sum(one.after_ukrw for one in after)),
        **{f"outside_{reason.name.lower()}": reasons[reason] for reason in Outside},
        "traders_without_bill_or_rule": traders - len(outlook),
    }


def _month_row(months: "Sequence[GuaranteeMonth]") -> dict[str, Any] | None:
    """The same for a customer, None for one that is not told of."""
    if not months:
        return None
    reasons = [one.outside for one in months if one.outside]
    return {
        "gain_krw": krw_text_from_ukrw(sum(one.gain_ukrw for one in months)),
        "guarantee_krw": krw_text_from_ukrw(sum(one.given_ukrw for one in months)),
        "gain_after_krw": krw_text_from_ukrw(sum(one.after_ukrw for one in months)),
        "kept_pct": percent_text_from_ppm(min(one.kept_ppm for one in months)),
        "outside": reasons[-1].name.lower() if reasons else None,
    }


def _slot_row(one: "SlotAudit") -> dict[str, Any]:
    low, high = one.price_low_mkrw_per_kwh, one.price_high_mkrw_per_kwh
    money = ("welfare", "paid", "received", "fee", "rent")
    counts = ("orders", "bought_wh", "sold_wh", "replaced_wh", "open_ukrw", "open_wh",
              "against_limit")  # fmt: skip
    return {
        "slot_utc": iso_of(one.slot),
        "price_low_krw_per_kwh": None if low is None else krw_text_from_mkrw(low),
        "price_high_krw_per_kwh": None if high is None else krw_text_from_mkrw(high),
        **{f"{name}_krw": krw_text_from_ukrw(getattr(one, f"{name}_ukrw")) for name in money},
        **{name: getattr(one, name) for name in counts},
    }


def _customer_rows(found: "MarketDay", district: "District") -> list[dict[str, Any]]:
    """Who traded, the worst gain first."""
    customers = found.customers
    rows = np.flatnonzero(customers.has_traded)
    order = rows[np.argsort(customers.gain_ukrw[rows], kind="stable")]
    return [
        {
            "account": "0x" + district.meters.account[row].hex(),
            "bought_wh": int(customers.bought_wh[row]),
            "sold_wh": int(customers.sold_wh[row]),
            **{
                f"{name}_krw": krw_text_from_ukrw(int(getattr(customers, f"{name}_ukrw")[row]))
                for name in (*SHOWN_GAINS, "gain_so_far")
            },
            **{name: _month_row(getattr(found, name).get(row, ())) for name in OUTLOOKS},
        }
        for row in order.tolist()
    ]


def _print_day(found: "MarketDay", document: dict[str, Any], time_zone: str) -> None:
    typer.echo(
        f"{'slot':<18}{'won/kWh':>16}{'traded Wh':>12}{'replaced':>10}{'paid won':>14}"
        f"{'open uwon':>11}{'open Wh':>9}"
    )
    for one in found.slots:
        low, high = one.price_low_mkrw_per_kwh, one.price_high_mkrw_per_kwh
        if low is None or high is None:
            price = "-"
        else:
            ends = [krw_text_from_mkrw(each) for each in (low, high)]
            price = ends[0] if low == high else f"{ends[0]}..{ends[1]}"
        paid = krw_text_from_ukrw(one.paid_ukrw)
        typer.echo(
            f"{local_label(one.slot, time_zone):<18}{price:>16}{one.bought_wh:>12,}"
            f"{one.replaced_wh:>10,}{paid:>14}{one.open_ukrw:>11}{one.open_wh:>9}"
        )
    typer.echo("")
    _print_figures(document["summary"])
    _print_outlooks(document["summary"])
    typer.echo("\nleast gains, won: trades' gain on delivered Wh, deviations, together")
    for row in document["customers"][:WORST]:
        parts = [row[f"{name}_krw"] for name in ("delivered", "deviation", "gain")]
        typer.echo(f"  {row['account'][:18]}  " + "".join(f"{part:>16}" for part in parts))
    _print_outside(document["customers"])
    typer.echo("\n" + ("every slot is closed" if found.is_closed else "NOT CLOSED"))


def _print_figures(figures: dict[str, Any]) -> None:
    for name, value in figures.items():
        if not isinstance(value, dict):
            typer.echo(f"  {name.replace('_', ' '):<32}{value:>20}")


def _print_outlooks(summary: dict[str, Any]) -> None:
    """What the guarantee would pay, side by side."""
    heads = "".join(f"{text:>20}" for text in OUTLOOKS.values())
    typer.echo(f"\n{'if the month, by the bill,':<34}{heads}")
    for name in summary["ended_now"]:
        values = "".join(f"{summary[outlook][name]:>20}" for outlook in OUTLOOKS)
        typer.echo(f"  {name.replace('_', ' '):<32}{values}")


def _print_outside(customers: list[dict[str, Any]]) -> None:
    """Who would end a month worse off in spite of the guarantee, and why; the worst first."""
    for outlook, text in OUTLOOKS.items():
        left = [row for row in customers if row[outlook] and row[outlook]["outside"]]
        if left:
            typer.echo(f"\nworse off if the month {text}, guarantee included: won, kept, why")
        for row in sorted(left, key=lambda row: float(row[outlook]["gain_after_krw"]))[:WORST]:
            month = row[outlook]
            typer.echo(
                f"  {row['account'][:18]}  {month['gain_after_krw']:>16}{month['kept_pct']:>10} %  "
                f"{Outside[month['outside'].upper()].value}"
            )

"""What each table of the store holds of a person: where their file tells it, what an erasure does.

A table that is not named here must not exist: a test walks all of them, and looks in the rows of a
district that has run whether a table that is said to hold nothing of a person really does.
"""

from enum import StrEnum
from typing import NamedTuple


class Goes(StrEnum):
    """When what a table holds of a person goes."""

    AT_ONCE = "at once"  # with the erasure that a household asks for on its own page
    WITH_BOOKS = "with the books"  # once no law holds the month, by `microgrid ledger erase`
    BY_ITSELF = "by itself"  # after its time, or with the next row that takes its place
    STAYS = "stays"
    NOTHING = "nothing"  # there is nothing of a person


class Held(NamedTuple):
    """`told` is the section of the file of own data, empty where the reason stands in `why`."""

    told: str
    goes: Goes
    why: str


_SUMS = Held("", Goes.NOTHING, "sums over areas or all customers")
_OFFICE = Held("", Goes.NOTHING, "acts of the company's staff and machines")
_PROOF = Held("", Goes.NOTHING, "hashes and signatures over entries, which name nobody")


def _told(section: str, goes: Goes, why: str) -> Held:
    return Held(section, goes, why)


TABLES: dict[str, Held] = {
    # Who somebody is, and how they come in.
    "identity": _told("identity", Goes.AT_ONCE, "name, address, contact, number of the meter"),
    "person": _told("people", Goes.STAYS, "the way to sign in, as a wallet's key is"),
    "invitation": _told("invitations", Goes.AT_ONCE, "the name that somebody was invited by"),
    "kept_key": _told("kept_keys", Goes.STAYS, "the key that signs for the household; sealed"),
    "session": _told("sign_ins", Goes.AT_ONCE, "when and from where somebody signed in"),
    "service_token": _told("sign_ins", Goes.STAYS, "names of devices, disabled at once"),
    "sign_in_guess": _told("guesses", Goes.BY_ITSELF, "a day after the last guess"),
    "sign_in_nonce": Held("", Goes.BY_ITSELF, "minutes old; of a browser, before who is known"),
    "request_key": _told("answers", Goes.AT_ONCE, "what requests were answered, for 48 h"),
    "audit": _told("audit_log", Goes.STAYS, "proves who has looked"),
    # What somebody wants, needs and is expected to do.
    "car_wish": _told("car_wishes", Goes.AT_ONCE, "what was wanted of the car"),
    "cars_seen": _told("car_now", Goes.BY_ITSELF, "the car at the point now; one slot old"),
    "setpoint": _told("car_now", Goes.BY_ITSELF, "what the car is told; two days old at most"),
    "home_day": _told("means_of_days", Goes.AT_ONCE, "a mean of each of the last 35 days"),
    "automatic_slot": _told("automatic_trading", Goes.AT_ONCE, "the sums of automatic trading"),
    "instruction_halt": _told("instructions", Goes.WITH_BOOKS, "that no orders are made of one"),
    # The books: signed, and asked for by law.
    "account": _told("book_account", Goes.WITH_BOOKS, "number of the account; the secret changes"),
    "account_key": _told("keys", Goes.STAYS, "proves signatures that others rely on"),
    "account_message": _told("messages", Goes.WITH_BOOKS, "what was signed"),
    "standing_instruction": _told("instructions", Goes.WITH_BOOKS, "what was signed"),
    "instruction_end": _told("instructions", Goes.WITH_BOOKS, "what was signed"),
    "market_order": _told("orders", Goes.WITH_BOOKS, "what was signed"),
    "fill": _told("orders", Goes.WITH_BOOKS, "what orders got"),
    "order_conflict": _told("conflicts", Goes.WITH_BOOKS, "messages under a nonce that was used"),
    "entry": _told("statements", Goes.WITH_BOOKS, "signed bills; other entries name no household"),
    "transfer": _told("transfers", Goes.WITH_BOOKS, "what was paid and delivered"),
    "signed_readings": _told("signed_readings", Goes.WITH_BOOKS, "readings as they were settled"),
    "billed_month": _told("statements", Goes.WITH_BOOKS, "what the months came to"),
    "erased_account": _told("erasures", Goes.STAYS, "what stands for months that were erased"),
    "contract": _told("contracts", Goes.STAYS, "the other party has signed it as well"),
    "contract_end": _told("contract_ends", Goes.STAYS, "the other party relies on it"),
    "contract_delivery": _told("contract_deliveries", Goes.STAYS, "the other party was paid by it"),
    "dr_answer": _told("event_answers", Goes.STAYS, "the programme relies on it"),
    "dr_baseline": _told("event_baselines", Goes.WITH_BOOKS, "what the reward was reckoned from"),
    "dr_result": _told("event_results", Goes.STAYS, "the programme has paid by it"),
    # What meters said.
    "reading": _told("readings", Goes.WITH_BOOKS, "readings as they came; thinned out before"),
    "late_reading": _told("late_readings", Goes.WITH_BOOKS, "readings that came late"),
    "meter_feed": _told("meter_feeds", Goes.STAYS, "the device whose readings are settled"),
    "meter_inbox": _told("waiting_readings", Goes.BY_ITSELF, "in `readings` from the next gate on"),
    # Copies of what is told above.
    "meter_month": Held("", Goes.WITH_BOOKS, "sums of `readings`"),
    "slot_trades": Held("", Goes.WITH_BOOKS, "sums of what `orders` got"),
    "tally": Held("", Goes.WITH_BOOKS, "sums of `transfers`"),
    "plant_state": Held("", Goes.BY_ITSELF, "the simulated district; a real one has none"),
    "erased_leaf": _PROOF,
    "erased_transfer": _PROOF,
    "erased_state": Held("", Goes.STAYS, "heads of histories by number, of which nothing is read"),
    "erased_sum": Held("", Goes.NOTHING, "sums over all erased accounts by the market's own"),
    "kept_salt": _PROOF,
    # Orders under tags: who stands behind one only the salt of the account's month tells.
    "slot_book": Held("", Goes.NOTHING, "rows under tags that name nobody without their salts"),
    "label_book": Held("", Goes.NOTHING, "rows under tags that name nobody without their salts"),
    **dict.fromkeys(
        ("settlement", "checkpoint", "cosignature", "anchor_try", "anchored", "anchor_entry",
         "book_state"),
        _PROOF,
    ),
    **dict.fromkeys(
        ("measured", "clearing", "view", "forecast_issue", "weather_issue", "open_sums", "feed"),
        _SUMS,
    ),
    **dict.fromkeys(
        ("meta", "slot", "fence_counter", "leader", "lease", "thinned", "event", "alarm",
         "alarm_seen", "alarm_message", "rules_proposal", "service_start", "steering_limit",
         "steering_cancel", "island_order", "island_end", "asset_hold", "asset_release",
         "replan_order", "replan_answer", "asset_retirement", "asset_return", "asset_note",
         "dr_event", "dr_cancel", "clock_check"),
        _OFFICE,
    ),
    "archived_line": Held("", Goes.STAYS, "somebody else's books: theirs to tell and to erase"),
}  # fmt: skip

// An order in one sentence, the same before signing, in the list and in the receipt: it is made from
// the message that is signed, so that sentence and signature cannot differ.
import { decimalOf, milliWon, wonOf } from "./amounts.js";

const BID = "1", OFFER = "2";
const MINUTES_15 = 900_000;

// The signed fields of an order as the API lists it.
export const messageOf = (row) => ({
  side: row.side === "bid" ? BID : OFFER, slot: String(Date.parse(row.slot_utc) / 1000), e_wh: String(row.energy_wh),
  price_mkrw_per_kwh: String(milliWon(row.price_krw_per_kwh)),
});

export function slotText(ms, format, nowMs) {
  const day = format.date(ms) === format.date(nowMs) ? "" : `${format.date(ms)} `;
  return `${day}${format.slot(ms, MINUTES_15)}`;
}

export function orderSentence(message, { words, format }, nowMs) {
  const values = {
    when: slotText(Number(message.slot) * 1000, format, nowMs),
    energy: `${format.number(decimalOf(BigInt(message.e_wh), 3), 0, 3)}\u00a0kWh`,
    price: format.won(decimalOf(BigInt(message.price_mkrw_per_kwh), 3), 3),
    total: format.won(wonOf(message.e_wh, message.price_mkrw_per_kwh), 1),
  };
  return words(message.side === BID ? "home.order.buy" : "home.order.sell", values);
}

// What became of an order of the list.
export function endSentence(row, { words, format }) {
  const bid = row.side === "bid";
  if (row.status === "ACCEPTED") return words("home.end.ACCEPTED", { time: format.time(Date.parse(row.gate_utc)) });
  if (!["FILLED", "PARTIAL"].includes(row.status)) return words(`home.end.${row.status}`);
  return words(bid ? "home.end.bought" : "home.end.sold", {
    got: format.number(decimalOf(BigInt(row.filled_wh), 3), 0, 3),
    energy: `${format.number(decimalOf(BigInt(row.energy_wh), 3), 0, 3)}\u00a0kWh`,
    price: format.won(row.clearing_price_krw_per_kwh, 1), amount: format.won(row.amount_krw, 1),
  });
}

// What an order wants or carries on top of energy; null for most.
export function labelSentence(row, { words, format }) {
  if (!row.label) return null;
  const got = row.labelled_wh ? words("home.label.got", { energy: `${format.number(decimalOf(BigInt(row.labelled_wh), 3), 0, 3)}\u00a0kWh`, price: format.won(row.label_price_krw_per_kwh, 1) }) : "";
  return words(row.side === "bid" ? "home.label.buy" : "home.label.sell", { label: words(`labels.${row.label}`), premium: format.won(row.premium_krw_per_kwh, 1), got });
}

// A standing instruction in one sentence, the same before signing and in the list: it is made from
// the message that is signed, so that sentence and signature cannot differ.
import { decimalOf, milliWon } from "./amounts.js";

const SIDES = { 1: "buy", 2: "sell", 3: "both" };

function micros(won) {
  const [whole, rest = ""] = won.split(".");
  return String(BigInt(whole) * 1_000_000n + BigInt(rest.padEnd(6, "0")));
}

// The signed fields of an instruction as the API lists it.
export function instructionMessageOf(row) {
  const { sell_from_krw_per_kwh: sell, buy_up_to_krw_per_kwh: buy } = row;
  return {
    sides: String((sell === null ? 0 : 2) + (buy === null ? 0 : 1)),
    sell_from_mkrw_per_kwh: String(sell === null ? 0n : milliWon(sell)),
    buy_up_to_mkrw_per_kwh: String(buy === null ? 0n : milliWon(buy)),
    day_cap_wh: String(row.day_cap_wh), day_cap_ukrw: micros(row.day_cap_krw),
    end_slot: String(Date.parse(row.end_utc) / 1000),
  };
}

export function instructionSentence(message, { words, format }, nowMs) {
  const price = (name) => format.won(decimalOf(BigInt(message[name]), 3), 3);
  const last = Number(message.end_slot) * 1000 - 1, year = (ms) => new Intl.DateTimeFormat("en-CA", { timeZone: format.zone, year: "numeric" }).format(ms);
  return words(`home.auto.sentence.${SIDES[message.sides]}`, {
    sell: price("sell_from_mkrw_per_kwh"), buy: price("buy_up_to_mkrw_per_kwh"),
    energy: `${format.number(decimalOf(BigInt(message.day_cap_wh), 3), 0, 3)}\u00a0kWh`,
    won: format.won(decimalOf(BigInt(message.day_cap_ukrw), 6), 1),
    until: year(last) === year(nowMs) ? format.date(last) : `${format.date(last)} ${year(last)}`,
  });
}

// The first instant after a local day, ms: its clock is asked what it shows there.
export function lastMoment(day, zone) {
  const [year, month, date] = day.split("-").map(Number);
  const wall = Date.UTC(year, month - 1, date + 1);
  const clock = new Intl.DateTimeFormat("en-CA", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" });
  const shown = (ms) => {
    const part = Object.fromEntries(clock.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute);
  };
  let ms = wall;
  for (let n = 0; n < 2; n += 1) ms += wall - shown(ms);
  return ms;
}

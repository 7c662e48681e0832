// Whether the books hold and how far they are, in words.
import { isZero } from "../answer.js";
import { openOf } from "./ages.js";

const BACKLOG = 4;

export function answerOfBooks(all, words, format) {
  const { ledger } = all;
  if (!ledger) return words("empty.ledger");
  const whole = isZero(ledger.unexplained_wh) && isZero(ledger.unexplained_krw) && ledger.debits_equal_credits;
  return words(whole ? "books.answer.whole" : "books.answer.broken", { time: format.dateTime(Date.parse(ledger.tick_utc)), size: format.count(ledger.size) });
}

export function nextOfBooks(all, words, format) {
  if (!all.slots || all.slots instanceof Error) return "";
  const open = openOf(all.slots.items, Date.parse(all.clock.now_utc));
  if (!open.length) return words("books.next.none");
  const values = { n: format.count(open.length), time: format.dateTime(Date.parse(open.at(-1).slot_utc)) };
  return words(open.length > BACKLOG ? "books.next.late" : "books.next.open", values);
}

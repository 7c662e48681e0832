// The page's one sentence: is all well, and what is next?
import { h, setText } from "../../dom.js";
import { problemDetail, problemTitle } from "../../problem.js";
import { nowOf, peakOf, startOf, stepOf } from "./series.js";

export function answerOf(snapshot, words, format) {
  const { cycle, grid, ledger, alarms } = snapshot;
  const count = (severity) => (alarms ?? []).filter((alarm) => alarm.severity === severity).length;
  if (!cycle) return words("answer.starting");
  if (ledger && (!isZero(ledger.unexplained_wh) || !isZero(ledger.unexplained_krw) || ledger.debits_equal_credits === false)) return words("answer.books");
  if (cycle.tier === "T4") return words("answer.hold");
  if (grid && !grid.converged) return words("answer.no_grid_state");
  const exceeded = grid?.violations ?? [], slotMs = Date.parse(cycle.slot_utc);
  const now = exceeded.filter((item) => !item.slot_utc || Date.parse(item.slot_utc) <= slotMs);
  if (now.length) return words.count("answer.violations", now.length);
  if (count("alarm")) return words.count("answer.alarms", count("alarm"));
  if (exceeded.length) return words("answer.violations_ahead", { time: format.time(Math.min(...exceeded.map((item) => Date.parse(item.slot_utc)))) });
  if (["T2", "T3"].includes(cycle.tier)) return words(`answer.${cycle.tier}`);
  if (count("warning")) return words.count("answer.warnings", count("warning"));
  return words("answer.well");
}

export const isZero = (text) => !/[1-9]/.test(String(text));

export function nextOf(snapshot, words, format) {
  const data = snapshot.import;
  if (!data) return snapshot.cycle ? "" : words("answer.first_gate", { time: format.time(Date.parse(snapshot.clock.gate_utc)) });
  const now = Math.round((nowOf(snapshot) - startOf(data)) / stepOf(data));
  const plan = data.plan_kw ?? [], at = peakOf(plan, now);
  if (at === null) return "";
  if (plan[at] < 0.05) return words("answer.no_import");
  const told = (key, slot) => words(key, { time: format.time(startOf(data) + slot * stepOf(data)), power: format.power(plan[slot]), peak: format.power(data.peak_so_far_kw) });
  if (!format.known(data.peak_so_far_kw)) return told("answer.import_peak", at);
  const isAbove = (slot) => plan[slot] > data.peak_so_far_kw + 0.05;
  const counted = peakOf(data.peak_counts ? plan.map((kw, slot) => (data.peak_counts[slot] ? kw : null)) : plan, now);
  if (isAbove(counted)) return told("answer.import_above", counted);
  return told(isAbove(at) ? "answer.import_uncounted" : "answer.import_below", at);
}

export function buildAnswer({ words, screen }) {
  const answer = document.getElementById("answer"), next = document.getElementById("next");
  const announce = document.getElementById("announce");
  return {
    update(snapshot, format) {
      const sentence = screen.answer(snapshot, words, format);
      setText(answer, sentence);
      setText(next, screen.next(snapshot, words, format));
      setText(announce, sentence);
    },
    fail(sentence) { setText(answer, sentence); },
  };
}

export function buildBanner({ words, refresh }) {
  const banner = document.getElementById("banner");
  return {
    show({ error, lostSince, keeps }) {
      if (error) {
        banner.replaceChildren(h("div", { class: "banner alarm" }, h("b", null, `■ ${problemTitle(error, words)}`),
          problemDetail(error, words), h("span", null, ` ${keeps}`),
          h("button", { type: "button", onclick: refresh }, words("error.again")),
          error.requestId ? h("code", null, error.requestId) : null));
      } else if (lostSince) {
        banner.replaceChildren(h("div", { class: "banner warning" }, `▲ ${words("live.lost", { time: lostSince })}`));
      } else banner.replaceChildren();
    },
  };
}

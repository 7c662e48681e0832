// What a person must do, worst first; who may act says which they have seen.
import { ApiError, postJson } from "../../api.js";
import { field, h } from "../../dom.js";
import { problemNodes } from "../../problem.js";
import { inLanguage } from "./block.js";

const SLOT_MS = 900_000;

export function makeAlarms(ctx, { withNote = false } = {}) {
  const { words } = ctx;
  return (body) => {
    const acts = new Map(); // by alarm: what somebody is writing stays when the list is renewed
    return (alarms, snapshot) => {
      const nowMs = Date.parse(snapshot.clock.now_utc);
      if (!alarms.length) { body.replaceChildren(h("p", { class: "calm" }, h("span", { class: "ok-sign", "aria-hidden": "true" }, "● "), words("alarms.none"))); return; }
      const sorted = [...alarms].sort((a, b) => (a.severity === b.severity ? Date.parse(a.since_utc) - Date.parse(b.since_utc) : a.severity === "alarm" ? -1 : 1));
      const below = (alarm) => {
        if (alarm.seen || document.documentElement.dataset.access !== "operate") return [];
        if (!acts.has(alarm.id)) acts.set(alarm.id, seeForm(alarm, ctx, withNote));
        return acts.get(alarm.id);
      };
      const held = body.contains(document.activeElement) ? document.activeElement : null, of = held?.closest("[data-alarm]")?.dataset.alarm;
      body.replaceChildren(h("ul", { class: "alarms" }, sorted.map((alarm) => alarmRow(alarm, nowMs, ctx, below(alarm)))));
      if (held) keepFocus(held.isConnected ? held : body.querySelector(`[data-alarm="${of}"]`));
    };
  };
}

// Whoever goes through the list by keys stays where they are when it is renewed.
function keepFocus(element) {
  if (!element || element === document.activeElement) return;
  if (element.matches("li")) element.tabIndex = -1;
  element.focus({ preventScroll: true });
}

export function alarmRow(alarm, nowMs, { words, format }, below) {
  const text = (value) => inLanguage(value, words.language);
  const day = (utc) => { const ms = Date.parse(utc); return format.date(ms) === format.date(nowMs) ? format.time(ms) : format.dateTime(ms); };
  const since = Date.parse(alarm.since_utc), slot = Math.floor(since / SLOT_MS) * SLOT_MS;
  const until = alarm.ended_utc ? [" · ", words("alarms.ended", { time: day(alarm.ended_utc) })] : alarm.until_utc ? [" · ", words("alarms.until", { time: day(alarm.until_utc) })] : "";
  return h("li", { class: alarm.severity, "data-alarm": alarm.id, "data-row": true },
    h("span", { class: "sign", role: "img", "aria-label": words(`alarms.${alarm.severity}`) }, alarm.severity === "alarm" ? "■" : "▲"),
    h("div", null, h("p", { class: "what" }, text(alarm.what), alarm.where ? h("span", { class: "muted" }, ` · ${text(alarm.where)}`) : null),
      h("p", { class: "muted" }, words(since > nowMs ? "alarms.from" : "alarms.since", { time: day(alarm.since_utc) }), until, alarm.count > 1 ? ` · ${words.count("alarms.raised", alarm.count, format.count(alarm.count))}` : "",
        " · ", h("a", { href: `/?slot=${new Date(slot).toISOString().slice(0, 16)}Z` }, format.slot(slot))),
      alarm.todo && !alarm.ended_utc ? h("p", { class: "todo" }, text(alarm.todo)) : null, seenLine(alarm, day, words), below));
}

function seenLine({ seen }, day, words) {
  if (!seen) return null;
  const said = seen.by ? words("alarms.seen_by", { who: seen.by, time: day(seen.at_utc) }) : words("alarms.seen");
  return h("p", { class: "muted seen" }, said, seen.note ? `: ${seen.note}` : "");
}

// Seen, with a note where there is room for one; the button is for those who may act.
function seeForm(alarm, { words, refresh }, withNote) {
  const told = h("p", { class: "refused", role: "alert" });
  const note = withNote ? h("input", { type: "text", id: `alarm-note-${alarm.id}`, maxlength: 300, autocomplete: "off" }) : null;
  const button = h("button", { type: "submit", "data-see": true }, words("alarms.see"));
  return h("form", { class: "see", onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    told.replaceChildren();
    try {
      await postJson(`/v1/alarms/${alarm.id}/acknowledge`, { note: note?.value.trim() ?? "" });
      await refresh();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      told.replaceChildren(...problemNodes(error, words));
      button.disabled = false;
    }
  } }, note ? field(note, words("alarms.note")) : null, button, told);
}

// What a person must do, worst first; who may act says which they have seen.
import { ApiError, postJson } from "../../api.js";
import { h } from "../../dom.js";
import { inLanguage, problemText } from "./block.js";

export function makeAlarms({ words, format }) {
  const text = (value) => inLanguage(value, words.language);
  const day = (ms, nowMs) => (format.date(ms) === format.date(nowMs) ? format.time(ms) : format.dateTime(ms));
  return (body) => (alarms, snapshot) => {
    const nowMs = Date.parse(snapshot.clock.now_utc);
    if (!alarms.length) { body.replaceChildren(h("p", { class: "calm" }, h("span", { class: "ok-sign", "aria-hidden": "true" }, "● "), words("alarms.none"))); return; }
    const sorted = [...alarms].sort((a, b) => (a.severity === b.severity ? Date.parse(a.since_utc) - Date.parse(b.since_utc) : a.severity === "alarm" ? -1 : 1));
    body.replaceChildren(h("ul", { class: "alarms" }, sorted.map((alarm) => {
      const since = Date.parse(alarm.since_utc);
      const key = since > nowMs ? "alarms.from" : "alarms.since";
      return h("li", { class: alarm.severity },
        h("span", { class: "sign", role: "img", "aria-label": words(`alarms.${alarm.severity}`) }, alarm.severity === "alarm" ? "■" : "▲"),
        h("div", null, h("p", { class: "what" }, text(alarm.what), alarm.where ? h("span", { class: "muted" }, ` · ${text(alarm.where)}`) : null),
          h("p", { class: "muted" }, words(key, { time: day(since, nowMs) }), alarm.until_utc ? ` · ${words("alarms.until", { time: day(Date.parse(alarm.until_utc), nowMs) })}` : ""),
          alarm.todo ? h("p", { class: "todo" }, text(alarm.todo)) : null, seen(alarm, words)));
    })));
  };
}

// Seen or not; the button is for those who may act.
function seen(alarm, words) {
  if (alarm.acknowledged) return h("p", { class: "muted" }, words("alarms.seen"));
  if (document.documentElement.dataset.access !== "operate") return null;
  const told = h("p", { class: "refused", role: "alert" });
  const button = h("button", { type: "button", onclick: async () => {
    button.disabled = true;
    try {
      await postJson(`/v1/alarms/${alarm.id}/acknowledge`);
      button.replaceWith(h("p", { class: "muted" }, words("alarms.seen")));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      told.textContent = problemText(error, words);
      button.disabled = false;
    }
  } }, words("alarms.see"));
  return [button, told];
}

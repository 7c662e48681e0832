// What has needed somebody: the newest first, older ones on demand, all of it to take along.
import { csvLine, saveLines } from "../../../charts/figure.js";
import { h } from "../../../dom.js";
import { makePages } from "../pages.js";
import { alarmRow } from "../alarms.js";

const COLUMNS = ["id", "severity", "what", "where", "since_utc", "ended_utc", "count"];

export function makeEnded(ctx) {
  const { words } = ctx;
  return (body) => {
    const none = h("p", { class: "calm" }, words("ended.none")), list = h("ul", { class: "alarms" });
    const csv = h("button", { type: "button", class: "csv", onclick: () => save() }, words("chart.csv"));
    let nowMs = 0;
    const pages = makePages(ctx, (items) => list.replaceChildren(...items.map((one) => alarmRow(one, nowMs, ctx, []))));
    body.append(none, list, h("div", { class: "acts" }, pages.button, csv), pages.told);
    const save = () => saveLines("alarms", [csvLine([...COLUMNS, "seen_by", "seen_utc", "note"]),
      ...pages.items().map((one) => csvLine([...COLUMNS.map((name) => one[name]), one.seen?.by, one.seen?.at_utc, one.seen?.note]))]);
    return (page, snapshot) => {
      nowMs = Date.parse(snapshot.clock.now_utc);
      none.hidden = page.items.length > 0;
      csv.hidden = !page.items.length;
      pages.renew(page, (one) => one.id);
    };
  };
}

// What may be relied on: the grid's state, the ledger's head, and how the plan came about.
import { sharesBar } from "../../charts/shares.js";
import { h } from "../../dom.js";
import { isZero } from "./answer.js";
import { badge, definitions } from "./block.js";
import { tierText } from "./header.js";

const WARN_FRAC = 0.9;
const STEPS = ["measure", "forecast", "prepare", "plan", "check", "clear", "publish", "settle"];

export function makeGrid({ words, format }) {
  const sign = (fraction) => (fraction > 1 ? ["alarm", "■"] : fraction >= WARN_FRAC ? ["warning", "▲"] : ["ok", "●"]);
  const loading = (item) => {
    if (!item) return "–";
    const [kind, symbol] = sign(item.loading_frac);
    return h("span", { class: `sure ${kind}-text` }, h("span", { "aria-hidden": "true" }, `${symbol} `), format.percent(item.loading_frac));
  };
  return (body) => (grid) => {
    if (!grid.converged) {
      body.replaceChildren(badge("alarm", "■", words("grid.no_state")), grid.reason ? h("p", { class: "violations", lang: "en" }, grid.reason) : "");
      return;
    }
    const found = grid.violations ?? [];
    body.replaceChildren(
      h("p", { class: "verdict" }, found.length ? badge("alarm", "■", words.count("grid.violations", found.length)) : badge("ok", "●", words("grid.within"))),
      definitions([
        [words("grid.line"), loading(grid.worst_line), onMap(grid.worst_line)],
        [words("grid.transformer"), loading(grid.worst_transformer), onMap(grid.worst_transformer)],
        grid.v_min ? [words("grid.v_min"), format.voltage(grid.v_min.v_pu), onMap(grid.v_min)] : null,
        grid.v_max ? [words("grid.v_max"), format.voltage(grid.v_max.v_pu), onMap(grid.v_max)] : null,
        format.known(grid.loss_kw) ? [words("grid.loss"), format.power(grid.loss_kw)] : null,
      ]),
      found.length ? h("ul", { class: "violations" }, found.slice(0, 5).map((item) => h("li", null, violationText(item, words, format)))) : "");
  };
}

const onMap = (item) => (item ? h("a", { href: `/grid?element=${encodeURIComponent(item.id)}` }, item.id) : null);

// A limit comes as numbers, which are put in the reader's words, or as the API's own sentence.
export function violationText(item, words, format) {
  if (typeof item === "string") return h("span", { lang: "en" }, item);
  const at = item.slot_utc ? `${format.slot(Date.parse(item.slot_utc))} ` : "";
  if (!item.kind) return [at, h("span", { lang: "en" }, item.what)];
  const shown = (value) => (item.unit === "frac" || item.unit === "" ? format.percent(value) : `${format.number(value, 3)}\u00a0${item.unit}`);
  const kind = words.has(`grid.kind.${item.kind}`) ? words(`grid.kind.${item.kind}`) : item.kind;
  return at + words("grid.violation", { kind, element: item.element, found: shown(item.found), allowed: shown(item.allowed) });
}

export function makeLedger({ words, format }) {
  return (body) => (ledger) => {
    const whole = isZero(ledger.unexplained_wh) && isZero(ledger.unexplained_krw) && ledger.debits_equal_credits;
    body.replaceChildren(
      h("p", { class: "verdict" }, whole ? badge("ok", "●", words("ledger.whole")) : badge("alarm", "■", words("ledger.broken"))),
      definitions([
        [words("ledger.entries"), format.count(ledger.size)],
        ledger.tick_utc ? [words("ledger.sealed"), format.dateTime(Date.parse(ledger.tick_utc))] : null,
        [words("ledger.transfers"), format.known(ledger.transfers) ? format.count(ledger.transfers) : "–"],
        [words("ledger.unexplained"), `${format.number(ledger.unexplained_wh)}\u00a0Wh · ${format.won(ledger.unexplained_krw)}`],
        [words("ledger.debits"), words(ledger.debits_equal_credits ? "ledger.equal" : "ledger.unequal")],
        ledger.root ? [words("ledger.root"), h("code", { title: ledger.root }, shorten(ledger.root))] : null,
        ledger.signer ? [words("ledger.signer"), h("code", { title: ledger.signer }, shorten(ledger.signer))] : null,
      ]),
      h("p", { class: "below" }, h("a", { href: "/verify" }, words("ledger.verify"))));
  };
}

export const shorten = (text) => (text.length > 20 ? `${text.slice(0, 10)}…${text.slice(-8)}` : text);

// The reason of a proven plan is its gap, which stands beside the tier already, in the reader's words.
const saysNoMore = (cycle) => cycle.tier === "T0" && /^proven within [\d.]+ ?%$/.test(cycle.reason);

export function makeCycle({ words, format }) {
  return (body) => (cycle) => {
    const seconds = cycle.seconds ?? {};
    const others = Object.keys(seconds).filter((step) => step !== "total" && !STEPS.includes(step));
    const parts = [...STEPS, ...others].filter((step) => format.known(seconds[step])).map((step) => ({ key: step, name: "step", value: seconds[step] }));
    const longest = Math.max(...parts.map((part) => part.value), 0);
    // The books are closed after the slot is published; until then its seconds are not all known.
    const took = format.known(seconds.total) ? format.seconds(seconds.total) : words("cycle.settling");
    body.replaceChildren(
      definitions([
        [words("cycle.tier"), tierText(cycle, words, format)],
        cycle.reason && !saysNoMore(cycle) ? [words("cycle.reason"), h("span", { lang: "en" }, cycle.reason)] : null,
        format.known(cycle.rounds) ? [words("cycle.rounds"), format.count(cycle.rounds)] : null,
        [words("cycle.total"), took, words("cycle.slot", { slot: format.slot(Date.parse(cycle.slot_utc)) })],
      ]),
      h("ul", { class: "steps" }, parts.map((part) => h("li", { "data-part": part.key }, h("span", { class: "name" }, words.has(`step.${part.key}`) ? words(`step.${part.key}`) : part.key),
        sharesBar([part], longest, 100, 10), h("b", null, format.seconds(part.value))))));
  };
}

// How good the plan is and how it came about, in words.
import { h } from "../../../dom.js";
import { badge, definitions } from "../block.js";
import { tierText } from "../header.js";

const SIGNS = { T0: ["ok", "●"], T1: ["ok", "◐"], T2: ["warning", "◔"], T3: ["warning", "○"], T4: ["alarm", "■"] };

export function makeCertificate({ words, format }) {
  const won = (krw) => format.won(String(Math.round(krw)));
  return (body) => (plan) => {
    const found = plan.certificate, known = format.known;
    const [kind, sign] = SIGNS[found.tier] ?? ["stale", "◷"];
    const missed = [...(found.broken ?? []), ...Object.entries(found.slack_kw ?? {}).map(([name, kw]) => `${name}: ${format.power(kw)}`)];
    const says = words.has(`certificate.status.${found.status}`) ? words(`certificate.status.${found.status}`) : found.status;
    body.replaceChildren(
      h("p", { class: "verdict" }, badge(kind, sign, tierText(found, words, format))),
      h("p", { class: "what" }, says),
      definitions([
        [words("certificate.cost"), known(found.cost_krw) ? won(found.cost_krw) : "–", words("certificate.cost_note")],
        [words("certificate.bound"), known(found.bound_krw) ? won(found.bound_krw) : words("certificate.no_bound")],
        [words("certificate.seconds"), format.seconds(found.seconds), words("certificate.of", { seconds: format.number(found.seconds_allowed, 0, 1) })],
        [words("cycle.rounds"), format.count(found.rounds ?? 0)],
        known(found.distance_from_last_kw) ? [words("certificate.distance"), format.power(found.distance_from_last_kw), words("certificate.distance_note")] : null,
        found.inputs ? [words("certificate.inputs"), h("code", null, found.inputs)] : null,
      ]),
      missed.length ? h("div", null, h("p", { class: "what alarm-text" }, words.count("certificate.broken", missed.length)), h("ul", { class: "violations", lang: "en" }, missed.map((text) => h("li", null, text)))) : "");
  };
}

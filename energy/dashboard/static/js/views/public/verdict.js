// What a check came to: the verdict, what the receipt says, and each rule with its result.
import { decimal } from "../../receipt/display.js";
import { h } from "../../dom.js";

const FRAME = ["domain", "signature", "key history", "key role", "checkpoint origin", "checkpoint signature", "first checkpoint", "witness", "witness quorum"];
const OWN = {
  inclusion: ["path in set", "path in log", "receipt", "display"],
  automatic: ["path in set", "path in log", "receipt", "display", "automatic order"],
  cancelled_event: ["path in set", "path in log", "receipt", "display", "event"],
  consistency: ["consistency"],
  account: ["account history", "balances follow"],
  fork: ["path in log", "fork"],
  nonce: ["nonce"],
  broken_promise: ["receipt", "account history", "balances follow", "broken promise"],
};
const SIGNS = { ok: "●", failed: "■", unreached: "◷", absent: "–" };
const UNITS = { _kwh: "kWh", _krw: "₩", krw_per_kwh: "₩/kWh", _points: "P" };
const LEDGERS = [["₩", 6], ["kWh", 3], ["P", 6]];

const slug = (check) => check.replaceAll(" ", "_");
const utc = (seconds) => `${new Date(Number(seconds) * 1000).toISOString().slice(0, 16).replace("T", " ")}Z`;

export const factList = (rows) => h("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
export const codeOf = (text) => h("code", null, text);

function verdictOf(report) {
  if (report.ok) return ["ok", "●", "proven"];
  if (report.elsewhere) return ["stale", "◷", "elsewhere"];
  return report.usable ? ["alarm", "■", "refuted"] : ["warning", "▲", "unreadable"];
}

export const verdictWord = (report, words) => words(`verify.${verdictOf(report)[2]}`);

function stateOf(report, check) {
  if (report.failure?.check === check) return "failed";
  if (report.checks.has(check)) return "ok";
  return report.ok ? "absent" : "unreached";
}

function checkList(report, words) {
  const known = [...FRAME, ...OWN[report.claim] ?? []];
  const more = [...report.checks.keys(), report.failure?.check].filter((check) => check && !known.includes(check));
  return h("ul", { class: "checks" }, ["readable", ...known, ...more.filter((check) => check !== "readable")].map((check) => {
    const state = check === "readable" && report.failure?.check !== check ? "ok" : stateOf(report, check);
    const times = report.checks.get(check);
    const told = state === "ok" && times > 1 ? words("verify.times", { n: times }) : words(`verify.state.${state}`);
    const key = `verify.check.${slug(check)}`;
    return h("li", { class: state, "data-check": check, "data-state": state }, h("span", { "aria-hidden": "true" }, SIGNS[state]),
      h("b", null, words.has(key) ? words(key) : check), h("span", { class: "state" }, told));
  }));
}

function fieldRow([field, value], words) {
  const unit = Object.entries(UNITS).filter(([end]) => field.endsWith(end)).map(([, name]) => name).at(-1) ?? "";
  const key = `verify.field.${field}`;
  return [words.has(key) ? words(key) : codeOf(field), `${value}\u00a0${unit}`];
}

function entryFacts(report, display, words) {
  const { entry: { name, message, digest, isKept }, head } = report;
  const slot = message.slot ?? message.tick;
  return factList([
    [words("verify.kind"), words(`verify.type.${name}`)],
    slot === undefined ? null : [words("verify.slot"), utc(slot)],
    message.side === undefined ? null : [words("verify.side"), words(`verify.side.${message.side === 1n ? 1 : 2}`)],
    ...Object.entries(display).map((row) => fieldRow(row, words)),
    message.account === undefined ? null : [words("verify.account"), codeOf(message.account)],
    isKept ? [words("verify.signed_by"), h("span", { id: "kept" }, words("verify.by_kept_key"))] : null,
    [words("verify.id"), codeOf(digest)],
    [words("verify.head"), words("verify.first_value", { size: String(head.size), time: utc(head.tick) })],
  ]);
}

function accountFacts({ account: { account, seq, balances }, head }, words) {
  return factList([
    [words("verify.account"), codeOf(account)],
    [words("verify.entries"), String(seq)],
    ...balances.map((amount, n) => [LEDGERS[n][0], decimal(amount, LEDGERS[n][1])]),
    [words("verify.head"), words("verify.first_value", { size: String(head.size), time: utc(head.tick) })],
  ]);
}

function factsOf(report, display, words) {
  if (!report.ok) return null;
  if (report.entry) return entryFacts(report, display, words);
  if (report.account) return accountFacts(report, words);
  return factList([[words("verify.head"), words("verify.first_value", { size: String(report.head.size), time: utc(report.head.tick) })]]);
}

export function verdict(report, display, words) {
  const [kind, sign, word] = verdictOf(report);
  const head = h("p", { class: "verdict" }, h("span", { class: `badge ${kind}`, id: "verdict", "data-verdict": word }, h("span", { "aria-hidden": "true" }, `${sign} `), words(`verify.${word}`)));
  if (report.elsewhere) return [head, h("p", { class: "sentence" }, words(`verify.claim.${report.claim}`)), h("p", null, words("verify.elsewhere_about"))];
  const facts = factsOf(report, display, words);
  const passed = [...report.checks.values()].reduce((sum, times) => sum + times, 0);
  const key = report.failure ? `verify.check.${slug(report.failure.check)}` : "";
  return [
    head,
    report.ok ? h("p", { class: "sentence" }, words(`verify.claim.${report.claim}`))
      : [h("p", { class: "rule" }, words("verify.broken", { rule: words.has(key) ? words(key) : report.failure.check })),
        h("p", { class: "why", lang: "en" }, `${report.failure.check}: ${report.failure.message}`)],
    report.ok && !report.checks.has("witness") ? h("p", { class: "caution" }, words("verify.no_witness")) : null,
    facts && [h("h3", null, words("verify.says")), facts],
    h("h3", null, words("verify.checks")),
    checkList(report, words),
    h("p", { class: "small" }, words("verify.took", { n: passed, ms: report.ms.toFixed(0) })),
  ].flat();
}

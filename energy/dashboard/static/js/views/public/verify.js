// The page that checks a receipt: a file or an order's id, a trust root, and the verdict.
import { ApiError } from "../../api.js";
import { h, setText } from "../../dom.js";
import { problemNodes, textAround } from "../../problem.js";
import { Unusable, Refuted } from "../../receipt/bytes.js";
import { readTrust } from "../../receipt/note.js";
import { verifyBundle } from "../../receipt/verify.js";
import { codeOf, factList, verdict, verdictWord } from "./verdict.js";

const MEBIBYTE = 1024 * 1024;
const MOST = 20;
const ORDER_ID = "0x[0-9a-f]{64}";

async function fetchText(path) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store" });
  } catch (error) {
    throw new ApiError({ title: null, detail: String(error.message), status: 0 });
  }
  const text = await answer.text();
  if (answer.ok) return text;
  const isProblem = (answer.headers.get("content-type") ?? "").includes("json");
  throw new ApiError({ title: null, detail: String(answer.status), ...(isProblem ? JSON.parse(text) : {}), status: answer.status });
}

// The text of a file, or a sentence that says why there is none.
async function readFile(file, words) {
  if (file.size > MOST * MEBIBYTE) {
    throw new Unusable(words("verify.too_large", { name: file.name, size: (file.size / MEBIBYTE).toFixed(1), most: MOST }));
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Unusable(words("verify.not_utf8", { name: file.name }));
  }
}

const isTrust = (text) => /"trust":\s*"microgrid-trust\//.test(text);

function chooser(label, hint, take) {
  const input = h("input", { type: "file", accept: ".json,application/json", onchange: () => {
    if (input.files.length) take(input.files[0]);
    input.value = "";
  } });
  return h("label", { class: "chooser" }, input, h("b", null, label), hint ? [h("br"), h("span", { class: "muted" }, hint)] : null);
}

const section = (id, span, title, ...children) => h("section", { class: `block span-${span}`, id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), children);

function trustFacts(trust, words) {
  const { message } = trust.first;
  const first = words("verify.first_value", { size: String(message.size), time: `${new Date(Number(message.tick) * 1000).toISOString().slice(0, 16).replace("T", " ")}Z` });
  return factList([
    [words("verify.market"), trust.market],
    [words("verify.registrar"), codeOf(trust.registrar)],
    [words("verify.first"), first],
    [words("verify.witnesses"), trust.witnesses.length
      ? words("verify.quorum", { quorum: String(trust.quorum), n: trust.witnesses.length }) : words("verify.no_witness")],
  ]);
}

export async function openVerify(words) {
  const given = { trust: null, bundle: null };
  const told = h("p", { class: "told", id: "told" });
  const trustBody = h("div", { class: "body", id: "trust-body" });
  const result = h("div", { class: "body", id: "result-body" }, h("p", { class: "muted" }, words("verify.waiting")));

  function check() {
    if (given.trust === null || given.bundle === null) return;
    const report = verifyBundle(given.trust, given.bundle);
    const display = report.ok && report.entry ? JSON.parse(given.bundle).display : {};
    result.replaceChildren(...verdict(report, display, words).filter(Boolean));
    setText(document.getElementById("announce"), verdictWord(report, words));
  }

  function takeTrust(text, source) {
    given.trust = text;
    try {
      trustBody.replaceChildren(h("p", { class: "small" }, source), trustFacts(readTrust(text), words));
    } catch (error) {
      if (!(error instanceof Unusable || error instanceof Refuted)) throw error;
      given.trust = null;
      trustBody.replaceChildren(h("p", { class: "rule" }, words("verify.trust_bad", { what: error.message })));
    }
    check();
  }

  function takeBundle(text, name) {
    given.bundle = text;
    setText(told, words("verify.chosen", { name, size: (text.length / 1000).toFixed(1) }));
    check();
  }

  async function takeFile(file) {
    try {
      const text = await readFile(file, words);
      if (isTrust(text)) takeTrust(text, words("verify.trust_file", { name: file.name }));
      else takeBundle(text, file.name);
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      setText(told, error.message);
    }
  }

  const takeOrder = (id) => takeProof(`/v1/orders/${id}/proof`, `${id.slice(0, 10)}….proof.json`);

  async function takeProof(path, name) {
    try {
      takeBundle(await fetchText(path), name);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      told.replaceChildren(...textAround(words, "verify.no_answer", "what", ...problemNodes(error, words)));
    }
  }

  document.getElementById("grid").append(
    section("receipt", 12, words("verify.receipt"), chooser(words("verify.choose"), words("verify.drop"), takeFile), orderForm(words, takeOrder), told),
    section("trust", 12, words("verify.trust"), h("p", { class: "small" }, words("verify.trust_about")), trustBody,
      h("div", { class: "trust-file" }, chooser(words("verify.trust_choose"), null, takeFile))),
    section("result", 12, words("verify.result"), result));
  followDrops(takeFile);
  try {
    takeTrust(await fetchText("/v1/ledger/trust"), words("verify.trust_server"));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    trustBody.replaceChildren(h("p", { class: "caution" }, words("verify.trust_missing")));
  }
  const named = new URLSearchParams(location.search), order = named.get("order"), bill = named.get("bill");
  if (new RegExp(`^${ORDER_ID}$`).test(order)) await takeOrder(order);
  else if (/^\d{4}-\d{2}$/.test(bill)) await takeProof(`/v1/me/statements/${bill}/proof`, `${bill}.proof.json`);
}

function orderForm(words, take) {
  const input = h("input", { type: "text", id: "order", required: true, pattern: ORDER_ID, spellcheck: "false", autocomplete: "off", placeholder: "0x…" });
  return h("form", { class: "order", onsubmit: (event) => { event.preventDefault(); take(input.value); } },
    h("label", { for: "order" }, words("verify.order")), input, h("button", { type: "submit" }, words("verify.fetch")));
}

function followDrops(take) {
  const { classList } = document.documentElement;
  addEventListener("dragover", (event) => { event.preventDefault(); classList.add("dropping"); });
  addEventListener("dragleave", () => classList.remove("dropping"));
  addEventListener("drop", async (event) => {
    event.preventDefault();
    classList.remove("dropping");
    for (const file of event.dataTransfer.files) await take(file);
  });
}

// One entry by its id, or one signed head by its quarter hour: what it says, where it stands, and
// whether its proof holds here and now.
import { ApiError, fetchJson } from "../../../api.js";
import { field, h } from "../../../dom.js";
import { english, problemNodes } from "../../../problem.js";
import { badge, definitions } from "../block.js";

const ID = /^0x[0-9a-f]{64}$/;
const US_PER_MS = 1000;

export function makeLookUp(ctx) {
  const { words } = ctx;
  return (body) => {
    const asked = h("input", { type: "text", id: "look-up-id", autocomplete: "off", spellcheck: "false", maxlength: 80, "data-search": true, "aria-describedby": "look-up-about" });
    const slot = h("input", { type: "text", id: "look-up-slot", autocomplete: "off", maxlength: 25, placeholder: "2026-07-15T03:00:00Z" });
    const button = h("button", { type: "submit", class: "main" }, words("look_up.go"));
    const result = h("div", { id: "look-up-result", role: "status" });
    body.append(h("form", { class: "look-up", onsubmit: (event) => { event.preventDefault(); run(); } },
      field(asked, words("look_up.id")), field(slot, words("look_up.slot")), h("p", { class: "small", id: "look-up-about" }, words("look_up.about")), h("div", { class: "acts" }, button)), result);

    async function run() {
      const text = asked.value.trim();
      if (!text) { result.replaceChildren(h("p", { class: "refused" }, words("look_up.nothing"))); asked.focus(); return; }
      button.disabled = true;
      result.replaceChildren(h("p", { class: "note" }, words("look_up.working")));
      try {
        result.replaceChildren(...(ID.test(text) ? await entryOf(text, slot.value.trim(), ctx) : headOf(await fetchJson(`/v1/checkpoints/${encodeURIComponent(text)}`), ctx)));
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        result.replaceChildren(h("p", { class: "refused" }, problemNodes(error, words)));
      } finally {
        button.disabled = false;
      }
    }
    return () => {};
  };
}

function headOf(head, { words, format }) {
  return [h("p", { class: "verdict" }, badge("ok", "●", words("look_up.head", { time: format.dateTime(Date.parse(head.tick_utc)) }))),
    definitions([[words("heads.size"), format.count(head.size)], [words("heads.root"), h("code", null, head.root)], [words("look_up.previous"), h("code", null, head.previous)], [words("ledger.signer"), h("code", null, head.signer)]]),
    h("pre", { class: "note-text", tabindex: 0 }, head.note)];
}

// The proof is checked by the page's own code, which comes when it is first needed.
async function entryOf(id, slot, { words, format }) {
  const [{ canonical }, { verifyBundle }, bundle, trust] = await Promise.all([
    import("../../../receipt/bytes.js"), import("../../../receipt/verify.js"),
    fetchJson(`/v1/ledger/entries/${id}${slot ? `?slot=${encodeURIComponent(slot)}` : ""}`), fetchJson("/v1/ledger/trust")]);
  const text = canonical(bundle), report = verifyBundle(canonical(trust), text);
  const { entry, log, receipt, display } = bundle;
  const received = receipt && format.dateTime(Number(receipt.message.received) / US_PER_MS), sealed = receipt && format.dateTime(Number(receipt.message.sealed_by) * 1000);
  return [
    h("p", { class: "verdict" }, report.ok ? badge("ok", "●", words("look_up.proven")) : badge("alarm", "■", words("look_up.refuted"))),
    report.failure ? h("p", { class: "violations" }, english(report.failure.message)) : "",
    definitions([
      [words("look_up.type"), h("code", null, entry.type)], [words("look_up.place"), words("look_up.of", { index: format.count(Number(log.index)), size: format.count(Number(log.size)) })],
      receipt ? [words("look_up.receipt"), words("look_up.received", { received, sealed })] : null,
      ...entry.signatures.map((one) => [words("ledger.signer"), h("code", null, one.signer)]),
      ...Object.entries({ ...entry.message, ...display }).map(([name, value]) => [h("code", null, name), h("code", null, String(value))]),
    ]),
    h("div", { class: "acts" }, h("button", { type: "button", onclick: () => save(`${id.slice(0, 10)}.proof.json`, text) }, words("look_up.save")), h("a", { class: "choice", href: "/verify" }, words("ledger.verify"))),
    h("p", { class: "small" }, words("look_up.by")),
  ];
}

function save(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

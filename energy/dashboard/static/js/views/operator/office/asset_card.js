// One asset: when it was out of use and who ordered it; notes, which are only ever added.
import { ApiError, fetchJson, postOnce } from "../../../api.js";
import { field, h } from "../../../dom.js";
import { problemNodes } from "../../../problem.js";
import { act, mayOperate } from "./acts.js";

export function makeAssetCard(ctx) {
  const { words, format, state } = ctx;
  return (body) => {
    const select = h("select", { id: "asset-one", onchange: () => state.set("asset", select.value) });
    const history = h("ul", { class: "retired", id: "asset-history" }), notes = h("ul", { class: "retired", id: "asset-notes" });
    const told = h("p", { class: "refused", role: "alert" });
    const form = mayOperate() ? noteForm(ctx, () => select.value, () => show(select.value)) : null;
    body.append(field(select, words("assets.asset")), told, h("h3", null, words("asset.history")), history, h("h3", null, words("asset.notes")), notes, ...(form ? [form] : []));

    async function show(id) {
      let found;
      try {
        found = await fetchJson(`/v1/assets/${id}`);
        told.replaceChildren();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        told.replaceChildren(...problemNodes(error, words));
        return;
      }
      if (id !== select.value) return;
      const when = (utc) => format.dateTime(Date.parse(utc));
      history.replaceChildren(...found.retirements.map((one) => h("li", null,
        words(one.until_utc ? "asset.was_out" : "asset.is_out", { from: when(one.from_utc), until: one.until_utc ? when(one.until_utc) : "" }),
        h("span", { class: "muted" }, ` ${words("retired.why", { who: one.retired.by, why: one.retired.reason })}`),
        one.returned ? h("span", { class: "muted" }, ` ${words("asset.back", { who: one.returned.by, why: one.returned.reason })}`) : null)));
      if (!found.retirements.length) history.replaceChildren(h("li", null, words("asset.never_out")));
      notes.replaceChildren(...found.notes.map((one) => h("li", { "data-note": one.id }, h("p", { class: "note-text" }, one.text), h("p", { class: "muted" }, words("asset.by", { who: one.by, at: when(one.at_utc) })))));
      if (!found.notes.length) notes.replaceChildren(h("li", null, words("asset.no_notes")));
    }

    state.on("asset", (id) => { if ([...select.options].some((one) => one.value === id)) { select.value = id; show(id); } });
    return (all) => {
      const ids = all.assets.assets.map((one) => one.id).toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }));
      if (select.options.length !== ids.length) {
        const kept = select.value || state.get("asset");
        select.replaceChildren(...ids.map((id) => h("option", { value: id }, id)));
        if (ids.includes(kept)) select.value = kept;
      }
      show(select.value);
    };
  };
}

function noteForm(ctx, asset, done) {
  const { words } = ctx;
  const text = h("textarea", { id: "asset-note", maxlength: 1000, rows: 3, oninput: () => { send.disabled = !text.value.trim(); } });
  const told = h("p", { class: "refused", role: "alert" }), said = h("p", { class: "small", role: "status" });
  const send = h("button", { type: "submit", class: "main", disabled: true }, words("asset.write"));
  const run = act({ ctx, told, needsFresh: false, run: (key) => postOnce(`/v1/assets/${asset()}/notes`, { text: text.value.trim() }, key) });
  return h("form", { class: "limit", onsubmit: async (event) => {
    event.preventDefault();
    const made = await run(send);
    if (!made) return;
    text.value = "";
    send.disabled = true;
    said.replaceChildren(words("asset.written", { id: made.id }));
    done();
  } }, field(text, words("asset.new_note")), h("p", { class: "small" }, words("asset.stays")), h("div", { class: "acts" }, send), told, said);
}

// What if a feeder fails: who takes over, who stays dark, what is too full then.
import { ApiError, fetchJson } from "../../../api.js";
import { h } from "../../../dom.js";
import { problemNodes } from "../../../problem.js";
import { badge, definitions } from "../block.js";
import { violationText } from "../trust.js";

const SHOWN = 5;

export function makeOutage(ctx) {
  const { words, state } = ctx;
  return (body) => {
    const select = h("select", { id: "outage-feeder" });
    const ask = h("button", { type: "submit" }, words("outage.ask"));
    const result = h("div", { class: "outage-result", role: "status", "aria-live": "polite" });
    const clear = h("button", { type: "button", hidden: true, onclick: () => { state.set("outage", null); result.replaceChildren(); state.set("switching", null); clear.hidden = true; } }, words("outage.clear"));
    body.append(h("p", { class: "small" }, words("outage.about")),
      h("form", { class: "outage", onsubmit: (event) => { event.preventDefault(); run(select.value); } }, h("label", { for: "outage-feeder" }, words("outage.feeder")), select, ask, clear), result);
    let listed = "", running = false;

    async function run(feeder) {
      if (running || !feeder) return;
      running = true;
      ask.disabled = true;
      state.set("outage", feeder);
      result.replaceChildren(h("p", { class: "note" }, words("outage.working", { feeder })));
      try {
        const found = await fetchJson(`/v1/grid/contingency?element=${encodeURIComponent(feeder)}`);
        state.set("switching", found);
        result.replaceChildren(...story(feeder, found, ctx));
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        state.set("switching", null);
        result.replaceChildren(h("p", { class: "violations" }, "■ ", error.status === 404 ? words("outage.missing") : problemNodes(error, words)), error.requestId ? h("code", null, error.requestId) : "");
      } finally {
        running = false;
        ask.disabled = false;
        clear.hidden = false;
      }
    }

    return ({ net }) => {
      // What feeds many: the feeders, and the transformers of the substation.
      const names = [...net.feeders.map(({ name }) => name), ...net.elements.transformer.filter((one) => one.area === null).map((one) => one.id)];
      if (names.join() === listed) return;
      listed = names.join();
      select.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
      const asked = state.get("outage");
      if (asked && names.includes(asked)) { select.value = asked; run(asked); }
      ask.disabled = !names.length;
    };
  };
}

function story(name, found, { words, format }) {
  const dark = found.dark_areas ?? [], unsupplied = found.unsupplied_areas ?? [], over = found.violations ?? [];
  const inTheDark = unsupplied.length > 0 || found.p_unsupplied_kw > 0;
  const [kind, sign, verdict] = inTheDark ? ["alarm", "■", "dark"] : over.length ? ["warning", "▲", "over"] : ["ok", "●", "secure"];
  const list = (ids) => (ids?.length ? ids.join(", ") : words("outage.nobody"));
  return [
    h("p", { class: "verdict" }, badge(kind, sign, words(`outage.${verdict}`, { feeder: name }))),
    definitions([
      [words("outage.lost"), words.count("outage.areas", dark.length, format.count(dark.length))],
      [words("outage.closed"), list(found.closed)],
      found.opened?.length ? [words("outage.opened"), list(found.opened)] : null,
      [words("outage.unsupplied"), list(unsupplied), inTheDark ? format.power(found.p_unsupplied_kw) : null],
      format.known(found.highest_loading_frac) ? [words("outage.highest"), format.percent(found.highest_loading_frac), found.highest_element] : null,
      format.known(found.v_min_pu) ? [words("grid.v_min"), format.voltage(found.v_min_pu)] : null,
    ]),
    over.length ? h("ul", { class: "violations" }, over.slice(0, SHOWN).map((item) => h("li", null, violationText(item, words, format)))) : "",
    over.length > SHOWN ? h("p", { class: "small" }, words("outage.more", { n: format.count(over.length - SHOWN) })) : "",
  ];
}

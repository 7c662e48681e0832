// A list that comes in pages: the first is renewed by itself, older ones are asked for by a button.
import { ApiError, fetchJson } from "../../api.js";
import { h } from "../../dom.js";
import { problemNodes } from "../../problem.js";

// `draw(items)` shows what there is; `renew(page, id)` puts a new first page before what is known.
export function makePages({ words }, draw) {
  let items = [], next = null, isOlder = false;
  const told = h("p", { class: "refused", role: "alert" });
  const button = h("button", { type: "button", onclick: () => older() }, words("pages.older"));
  button.hidden = true;

  function show() {
    button.hidden = next === null;
    draw(items);
  }

  async function older() {
    button.disabled = true;
    told.replaceChildren();
    try {
      const from = next, page = await fetchJson(from);
      if (from !== next) return;  // the first page was renewed meanwhile, and this one lies elsewhere
      items = [...items, ...page.items];
      next = page.next;
      isOlder = true;
      show();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      told.replaceChildren(...problemNodes(error, words));
    } finally {
      button.disabled = false;
    }
  }

  return {
    button, told,
    items: () => items,
    // What was read beyond it stays, unless more is new than a page holds: then rows would be missing
    // between the two, and what is older is asked for anew.
    renew(page, id) {
      const fresh = new Set(page.items.map(id));
      isOlder &&= items.some((one) => fresh.has(id(one)));
      const kept = isOlder ? items.filter((one) => !fresh.has(id(one))) : [];
      items = [...page.items, ...kept];
      if (!isOlder) next = page.next;
      show();
    },
  };
}

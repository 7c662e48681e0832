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
      const page = await fetchJson(next);
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
    renew(page, id) {
      const fresh = new Set(page.items.map(id));
      const kept = isOlder ? items.filter((one) => !fresh.has(id(one))) : [];
      items = [...page.items, ...kept];
      if (!isOlder) next = page.next;
      show();
    },
  };
}

// A list that comes in pages, newest first: the first with every refresh, older ones when asked for.
import { fetchJson } from "../../api.js";

// `keyOf` names a row of `path`.
export function pagesOf(path, keyOf) {
  let rows = [], next = null;
  return {
    rows: () => rows,
    hasOlder: () => next !== null,
    // The first page anew; what was read beyond it stays, unless more is new than a page holds.
    renew(found) {
      const fresh = new Set(found.items.map(keyOf)), older = rows.filter((row) => !fresh.has(keyOf(row)));
      const meets = older.length < rows.length;
      if (!meets || !older.length) next = found.next;
      rows = meets ? [...found.items, ...older] : found.items;
    },
    async readFirst() { this.renew(await fetchJson(path)); },
    async readOlder() {
      const found = await fetchJson(`${path}${path.includes("?") ? "&" : "?"}before=${encodeURIComponent(next)}`);
      const known = new Set(rows.map(keyOf));
      rows = [...rows, ...found.items.filter((row) => !known.has(keyOf(row)))];
      next = found.next;
    },
  };
}

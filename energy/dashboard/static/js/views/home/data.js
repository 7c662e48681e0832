// My data: who has looked at them, all of them as a file, and erasing what may go.
import { ApiError, newKey, postOnce } from "../../api.js";
import { field, h, setText } from "../../dom.js";
import { block } from "../operator/block.js";
import { pagesOf } from "./pages.js";
import { troubleNodes } from "./signing.js";

export const READS = "/v1/me/reads";

// The audit log is written in English; what it often says stands in the catalogue.
function taskText(task, words) {
  const key = `home.data.task.${task.replaceAll(" ", "_")}`;
  return words.has(key) ? words(key) : h("span", { lang: "en" }, task);
}

export function dataBlock(ctx) {
  const { words } = ctx;
  const pick = ({ reads }) => { if (reads instanceof Error) throw reads; return reads; };
  return block({ ctx, id: "data", span: 12, title: "home.data", pick, empty: () => "", make: (body) => makeData(body, ctx) });
}

function makeData(body, ctx) {
  const { words, format } = ctx;
  const looks = h("div"), left = h("ul", { class: "plain" }), told = h("p", { class: "told", id: "erase-told", role: "status" });
  const guide = h("span"), key = newKey(), pages = pagesOf(READS, (row) => row.no);
  const list = h("ul", { class: "plain small looks" }), reading = h("p", { class: "told", role: "status" });
  const older = h("button", { type: "button", class: "small-button", id: "looks-older", onclick: readOlder }, words("home.older"));
  const confirm = h("input", { id: "erase-confirm", type: "text", autocomplete: "off", spellcheck: "false", oninput: () => { button.disabled = confirm.value.trim() !== wanted; } });
  const button = h("button", { type: "submit", id: "erase-now", disabled: true }, words("home.data.erase"));
  let wanted = null;
  const form = h("form", { class: "trade", novalidate: true, onsubmit: (event) => { event.preventDefault(); erase(); } },
    h("p", null, words("home.data.goes")), h("p", null, words("home.data.stays")), left,
    field(confirm, guide), h("p", { class: "answers" }, button), told);
  body.append(h("div", { class: "halves" },
    h("div", null, looks, h("p", { class: "answers" }, h("a", { id: "export", href: "/v1/me/export", download: "" }, words("home.data.export"))), h("p", { class: "small" }, words("home.data.export.about"))),
    h("details", { id: "erase" }, h("summary", null, words("home.data.erase.title")), form)));

  async function erase() {
    button.disabled = true;
    try {
      await postOnce("/v1/me/erase", { confirm: wanted }, key);
      setText(told, words("home.data.erased"));
      // The session is over; nothing of the page may stay in sight.
      setTimeout(() => location.reload(), 3000);
    } catch (error) {
      // The session is over: it is erased, by an earlier try whose answer was lost.
      if (error instanceof ApiError && error.status === 401) { location.reload(); return; }
      told.replaceChildren(...troubleNodes(error, words));
      button.disabled = false;
    }
  }

  async function readOlder() {
    older.disabled = true;
    try {
      await pages.readOlder();
      draw();
    } catch (error) {
      reading.replaceChildren(...troubleNodes(error, words));
    } finally {
      older.disabled = false;
    }
  }

  function draw() {
    list.replaceChildren(...pages.rows().map(look));
    older.hidden = !pages.hasOlder();
  }

  const look = (row) => h("li", null, h("time", { datetime: row.at_utc, title: row.at_utc }, format.dateTime(Date.parse(row.at_utc))), ` ${words("home.data.look", { who: row.who })} `, taskText(row.task, words));
  const stays = (row) => h("li", null, words(`home.data.stays.${row.code}`, { year: String(row.until_year ?? "") }), row.laws.length ? h("span", { class: "muted" }, ` ${row.laws.join("; ")}`) : null);

  return ({ items, next, confirm: name, remains }) => {
    pages.renew({ items, next });
    draw();
    wanted = name;
    setText(guide, words("home.data.confirm", { name }));
    left.replaceChildren(...remains.map(stays));
    looks.replaceChildren(h("p", { class: "sentence" }, words(items.length ? "home.data.looked" : "home.data.nobody")), ...(items.length ? [list, older, reading] : []));
  };
}

// A resident's own page: signed out a start, signed in the home, the trades, the events, the bill.
import { ApiError, fetchJson } from "../../api.js";
import { h, setText } from "../../dom.js";
import { makeFormat } from "../../format.js";
import { connectLive } from "../../live.js";
import { problemNodes } from "../../problem.js";
import { followSession, readSession, signOut } from "../../session.js";
import { makeState } from "../../state.js";
import { aheadBlock } from "./ahead.js";
import { automaticBlock } from "./automatic.js";
import { billBlock } from "./bill.js";
import { carBlock } from "./car.js";
import { dataBlock, READS } from "./data.js";
import { eventsBlock } from "./events.js";
import { keyBlock } from "./key.js";
import { orderFormBlock } from "./order_form.js";
import { ORDERS, ordersBlock } from "./orders.js";
import { makeSigner } from "./signer.js";
import { showStart } from "./start.js";
import { chartOfDay, figuresBlock, homeAnswer, homeNext } from "./today.js";

const RETRY_MS = 5000;
const STEP_S = 900;
// A quarter hour that is over is measured and settled within this time.
const SETTLED_AFTER_S = 1800;
const COUNTING_MS = 1500;
const PATHS = {
  home: "/v1/me/home", orders: ORDERS, dr: "/v1/me/dr", months: "/v1/me/statements",
  prices: "/v1/prices", instructions: "/v1/me/instructions", car: "/v1/me/car", reads: READS,
};
const FORECAST = "/v1/me/forecast";
const COUNTED = "/v1/me/home/counted";
// What changes something that is shown here: each look at one's data is kept in the audit log.
const CHANGING = new Set(["cycle", "ledger", "dr", "rules", "reload"]);
const JUMPS = ["day", "ahead", "orders", "trade", "automatic", "events", "car", "bill", "key", "data"];

export async function openHome(words) {
  followSession(() => location.reload());
  let session;
  try {
    session = await readSession();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    fail(error, words, () => location.reload());
    return;
  }
  if (session.role === "prosumer") await showHome(session, words);
  else showStart(words, session);
}

async function showHome(session, words) {
  const state = makeState();
  let view = null, busy = false, again = false, timer = null, reads = null, readsAreDue = true;

  // After an act of one's own, and at the opening, who has looked is read too.
  const refresh = () => { readsAreDue = true; return renew(); };

  async function renew() {
    if (busy) { again = true; return; }
    busy = true;
    clearTimeout(timer);
    try {
      const known = readsAreDue ? {} : { reads };
      readsAreDue = false;
      const all = await readAll(known);
      reads = all.reads;
      readsAreDue ||= reads instanceof ApiError;
      if (Object.values(all).some((one) => one instanceof ApiError && one.status === 401)) { location.reload(); return; }
      if (all.home instanceof ApiError) throw all.home;
      hearTime(state, all.home.now_utc);
      const first = !view;
      if (first) view = makeView({ words, format: makeFormat(words.language, all.home.time_zone), state, refresh, account: session.account, session, signer: makeSigner(session, words, state) });
      view.update(all);
      document.getElementById("banner").replaceChildren();
      if (all.home.sums && !all.home.sums.month) timer = setTimeout(waitForSums, COUNTING_MS);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fail(error, words, refresh);
      timer = setTimeout(renew, RETRY_MS);
    } finally {
      busy = false;
      if (again) { again = false; renew(); }
    }
  }

  // After a restart: asked until it is done of how far the sums are, which is no reading of mine.
  async function waitForSums() {
    try {
      const { done, all } = await fetchJson(COUNTED);
      if (done === all) { renew(); return; }
      view.counting({ done, all });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    timer = setTimeout(waitForSums, COUNTING_MS);
  }

  showWho(session, words);
  document.getElementById("grid").replaceChildren(h("div", { class: "loading span-12" }, h("i"), h("i"), h("i")));
  await refresh();
  connectLive("/v1/events", ({ kind, data }) => {
    if (kind === "beat") hearTime(state, data.now_utc);
    else if (CHANGING.has(kind)) renew();
  }, (live) => { state.set("live", live); view?.live(live); });
}

// A document that cannot be had is kept as its error: its card says so and the others are right.
// `known` are the answers that need not be read again.
async function readAll(known) {
  const read = async ([name, path]) => {
    try {
      return [name, await fetchJson(path)];
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return [name, error];
    }
  };
  const asked = Object.entries(PATHS).filter(([name]) => !known[name]);
  const all = { ...known, ...Object.fromEntries(await Promise.all(asked.map(read))) };
  const [, forecast] = all.home.has_forecast ? await read(["forecast", FORECAST]) : ["forecast", null];
  return { ...all, forecast };
}

function hearTime(state, utc) {
  const ms = Date.parse(utc);
  if (!Number.isNaN(ms) && ms > (state.get("nowMs") ?? 0)) state.set("nowMs", ms);
}

function makeView(ctx) {
  const { words, format, state } = ctx;
  const blocks = [figuresBlock(ctx), chartOfDay(ctx), aheadBlock(ctx), ordersBlock(ctx), orderFormBlock(ctx), automaticBlock(ctx), eventsBlock(ctx), carBlock(ctx), billBlock(ctx), ...(ctx.signer.kept ? [keyBlock(ctx)] : []), dataBlock(ctx)];
  document.getElementById("grid").replaceChildren(...blocks.map((one) => one.section));
  document.getElementById("jump").replaceChildren(...JUMPS.filter((id) => id !== "key" || ctx.signer.kept).map((id) => h("a", { href: `#${id}` }, words(`home.jump.${id}`))));
  const when = document.getElementById("when");
  const tell = () => {
    const ms = state.get("nowMs");
    when.replaceChildren(h("time", { datetime: new Date(ms).toISOString(), title: format.utc(ms) }, format.dateTime(ms)), zoneNote(words, format) ?? "");
  };
  // Each card by the time of its own newest values; those without one show what is asked for now.
  const age = () => {
    for (const one of blocks) {
      const sinceMs = one.since();
      if (sinceMs !== null) one.grow_old((state.get("nowMs") - sinceMs) / 1000 - SETTLED_AFTER_S + STEP_S, STEP_S, sinceMs);
    }
  };
  state.on("nowMs", () => { tell(); age(); });
  tell();
  return {
    update(all) {
      const sentence = homeAnswer(all, ctx);
      setText(document.getElementById("answer"), sentence);
      setText(document.getElementById("next"), homeNext(all, ctx));
      setText(document.getElementById("announce"), sentence);
      for (const one of blocks) one.update(all);
      age();
      document.getElementById("main").dataset.asOf = all.home.now_utc;
    },
    counting({ done, all }) {
      setText(document.getElementById("answer"), words("home.answer.counting", { done: format.count(done), all: format.count(all) }));
    },
    live(status) {
      const lost = status === "lost";
      document.getElementById("banner").replaceChildren(...(lost ? [h("div", { class: "banner warning" }, `▲ ${words("live.lost", { time: format.time(state.get("nowMs")) })}`)] : []));
    },
  };
}

// The zone is named where the reader's own differs, for then the times are not theirs.
function zoneNote(words, format) {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return own === format.zone ? null : h("span", { class: "muted zone" }, ` ${words("header.zone", { zone: format.zone })}`);
}

function showWho(session, words) {
  const out = h("button", { type: "button", id: "sign-out", onclick: async () => { await signOut(); location.reload(); } }, words("home.sign_out"));
  document.getElementById("who").replaceChildren(
    h("a", { href: "/sign-in", class: "muted", title: session.account }, words("home.account", { account: `${session.account.slice(0, 8)}…` })), " ", out);
}

function fail(error, words, again) {
  document.getElementById("banner").replaceChildren(h("div", { class: "banner alarm" }, h("b", null, "■ ", problemNodes(error, words)), " ",
    h("span", null, words("home.still")), h("button", { type: "button", onclick: again }, words("error.again")),
    error.requestId ? h("code", null, error.requestId) : null));
}

// A page's beginning: words, state, screen, then the live stream.
import { ApiError, fetchJson } from "./api.js";
import { loadWords } from "./i18n.js";
import { followKeys } from "./keys.js";
import { connectLive } from "./live.js";
import { SIGNS } from "./reader.js";
import { makeState } from "./state.js";
import { buildFrame } from "./views/operator/frame.js";

const RETRY_MS = 5000;
const QUIET_MS = 9000;

// `screen`: {blocks, answer, next, documents, catalogues}; documents beside the overview, by name:
// {path, once, always}, where `always` is there before the first quarter hour too.
export async function startPage(screen) {
  const root = document.documentElement;
  const state = makeState();
  followKeys(state);  // before anything is waited for: a key that is pressed at once is not lost
  const refresh = makeRefresh(state, Object.entries(screen.documents ?? {}));
  const readAll = refresh();
  const words = await loadWords(root.dataset.assets, root.lang, ...(screen.catalogues ?? []));
  buildFrame({ state, words, refresh, screen });
  await readAll;
  await firstUse();
  connectLive("/v1/events", ({ kind, data }) => {
    if (kind === "beat") hearTime(state, data.now_utc);
    else refresh();
  }, (status) => state.set("live", status));
  refresh();
}

// Whoever only takes a picture or prints waits for the page to fall silent, which it never does
// with a stream open: the stream begins with the first sign of a reader, else a little later.
function firstUse() {
  return new Promise((begin) => {
    for (const sign of ["scroll", ...SIGNS]) addEventListener(sign, begin, { once: true, passive: true });
    setTimeout(begin, QUIET_MS);
  });
}

function askToSignIn() {
  if (document.documentElement.dataset.leaving) return;
  location.assign(`/sign-in?to=${encodeURI(location.pathname)}`);
}

function makeRefresh(state, documents) {
  let busy = false, again = false, timer = null;
  return async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    clearTimeout(timer);
    try {
      const snapshot = await fetchJson("/v1/overview");
      state.set("documents", await readDocuments(documents, snapshot, state.get("documents")));
      state.set("error", null);
      hearTime(state, snapshot.clock.now_utc);
      state.set("snapshot", snapshot);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The session is over: signed out in another tab, ended, or too old.
      if (error.status === 401) { askToSignIn(); return; }
      state.set("error", error);
      timer = setTimeout(refresh, RETRY_MS);
    } finally {
      busy = false;
      if (again) { again = false; refresh(); }
    }
  };
}

// A document that cannot be had is kept as its error: the cards that need it say so, others are right.
async function readDocuments(documents, snapshot, before) {
  const read = async ([name, { path, once, always }]) => {
    if (once && before[name] && !(before[name] instanceof ApiError)) return [name, before[name]];
    if (!once && !always && !snapshot.cycle) return [name, null];
    try {
      return [name, await fetchJson(path)];
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return [name, error.status === 404 ? null : error];
    }
  };
  return Object.fromEntries(await Promise.all(documents.map(read)));
}

// Time comes from the server and only goes forward within one run of the page.
function hearTime(state, utc) {
  const ms = Date.parse(utc);
  if (!Number.isNaN(ms) && ms > (state.get("nowMs") ?? 0)) state.set("nowMs", ms);
}

// The page's beginning: words, state, view, then the live stream.
import { fetchJson } from "./api.js";
import { loadWords } from "./i18n.js";
import { connectLive } from "./live.js";
import { makeState } from "./state.js";
import { buildOverview } from "./views/operator/overview.js";

const RETRY_MS = 5000;
const root = document.documentElement;
const state = makeState();
let busy = false, again = false, timer = null;

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  clearTimeout(timer);
  try {
    const snapshot = await fetchJson("/v1/overview");
    state.set("error", null);
    hearTime(snapshot.clock.now_utc);
    state.set("snapshot", snapshot);
  } catch (error) {
    if (error.status === undefined) throw error;
    state.set("error", error);
    timer = setTimeout(refresh, RETRY_MS);
  } finally {
    busy = false;
    if (again) { again = false; refresh(); }
  }
}

// Time comes from the server and only goes forward within one run of the page.
function hearTime(utc) {
  const ms = Date.parse(utc);
  if (!Number.isNaN(ms) && ms > (state.get("nowMs") ?? 0)) state.set("nowMs", ms);
}

const readAll = refresh();
const words = await loadWords(root.dataset.assets, root.lang);
buildOverview({ state, words, refresh });
await readAll;
connectLive("/v1/events", ({ kind, data }) => {
  if (kind === "beat") hearTime(data.now_utc);
  else if (kind !== "open") refresh();
}, (status) => state.set("live", status));

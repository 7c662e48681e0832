// Which slot's auction is shown: the chosen one, else the newest; it is fetched once, for it never changes.
import { ApiError, fetchJson } from "../../../api.js";
import { newestOf } from "./words.js";

export function makeFollower(state) {
  let asked = null;
  const history = () => { const found = state.get("documents").history; return found instanceof Error ? null : found; };
  const startMs = (found) => Date.parse(found.start_utc);
  const stepMs = (found) => found.step_s * 1000;
  const newestMs = (found) => startMs(found) + newestOf(found) * stepMs(found);
  const chosenMs = (found) => Math.min(state.get("cursor") ?? Infinity, newestMs(found));

  async function follow() {
    const found = history();
    if (!found) return;
    const ms = chosenMs(found), at = (ms - startMs(found)) / stepMs(found);
    if (asked === ms && !state.get("auction")?.error) return;
    asked = ms;
    // Within the history it is known which slots have had none.
    if (at >= 0 && (found.state[at] ?? null) === null) { state.set("auction", { ms, absent: true }); return; }
    try {
      const path = `/v1/market/${new Date(ms).toISOString().slice(0, 19)}Z`;
      const [document, market] = await Promise.all([fetchJson(`${path}/curves`), fetchJson(path)]);
      if (asked === ms) state.set("auction", { ms, document, market });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (asked === ms) state.set("auction", error.status === 404 ? { ms, absent: true } : { ms, error });
    }
  }

  state.on("documents", follow);
  state.on("cursor", follow);
  return {
    follow,
    // One slot earlier or later; the newest is where the page goes along by itself.
    go(slots) {
      const found = history();
      if (!found) return;
      const ms = chosenMs(found) + slots * stepMs(found);
      state.set("cursor", ms >= newestMs(found) ? null : ms);
    },
    isNewest: () => { const found = history(); return !found || chosenMs(found) >= newestMs(found); },
    newest: () => state.set("cursor", null),
  };
}

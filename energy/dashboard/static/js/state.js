// What all blocks share: the last overview, the chosen slot (null = now), and how live the page is.
export function makeState() {
  const listeners = { snapshot: [], cursor: [], live: [], error: [], nowMs: [] };
  const state = { snapshot: null, cursor: readCursor(), live: "connecting", error: null, nowMs: null };
  return {
    get: (name) => state[name],
    on: (name, listener) => listeners[name].push(listener),
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      if (name === "cursor") writeCursor(value);
      for (const listener of listeners[name]) listener(value);
    },
  };
}

function readCursor() {
  const ms = Date.parse(new URLSearchParams(location.search).get("slot") ?? "");
  return Number.isNaN(ms) ? null : ms;
}

function writeCursor(ms) {
  const url = new URL(location.href);
  if (ms === null) url.searchParams.delete("slot");
  else url.searchParams.set("slot", new Date(ms).toISOString().slice(0, 16) + "Z");
  history.replaceState(null, "", url);
}

// What all blocks share: the last answers, how live the page is, and what the reader chose.
// Choices stand in the address, so that a reload or a link shows the same.
const asText = { read: (text) => text || null, write: (value) => value };
const asInstant = {
  read: (text) => { const ms = Date.parse(text ?? ""); return Number.isNaN(ms) ? null : ms; },
  write: (ms) => `${new Date(ms).toISOString().slice(0, 16)}Z`,
};
const CHOICES = {
  cursor: { name: "slot", ...asInstant }, // the chosen slot, null = now
  element: { name: "element", ...asText },
  moment: { name: "at", ...asText },
  outage: { name: "outage", ...asText },
  zone: { name: "zone", ...asText },
  event: { name: "event", ...asText },
  asset: { name: "asset", ...asText },
};

export function makeState() {
  const values = { snapshot: null, documents: {}, switching: null, auction: null, live: "connecting", error: null, nowMs: null };
  const given = new URLSearchParams(location.search);
  for (const [key, choice] of Object.entries(CHOICES)) values[key] = choice.read(given.get(choice.name));
  const listeners = Object.fromEntries(Object.keys(values).map((key) => [key, []]));
  return {
    get: (key) => values[key],
    on: (key, listener) => listeners[key].push(listener),
    set(key, value) {
      if (values[key] === value) return;
      values[key] = value;
      if (CHOICES[key]) writeAddress(CHOICES[key], value);
      for (const listener of listeners[key]) listener(value);
    },
  };
}

function writeAddress(choice, value) {
  const url = new URL(location.href);
  if (value === null) url.searchParams.delete(choice.name);
  else url.searchParams.set(choice.name, choice.write(value));
  history.replaceState(null, "", url);
}

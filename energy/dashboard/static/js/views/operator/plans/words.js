// Limits, assets and reasons in the reader's words.
const NAMED = { "import limit": "import", "export limit": "export", peak: "peak", reserve: "reserve" };

// A limit of the wires is named `kind:element:way@slot/round`, any other by itself.
export function limitName(limit, words) {
  if (NAMED[limit]) return { text: words(`limit.${NAMED[limit]}`), element: null };
  const [kind, element] = limit.split("@")[0].split(":");
  const key = `limit.${kind}`;
  return element && words.has(key) ? { text: words(key, { element }), element } : { text: limit, element: null };
}

// One row a limit, the dearest first: its highest price, when that is, and in how many slots it binds.
export function dearestLimits(certificate) {
  const rows = new Map();
  for (const { limit, slot_utc: slot, shadow_krw_per_kwh: price } of certificate.binding ?? []) {
    const name = limit.split("@")[0];
    const row = rows.get(name) ?? { limit: name, most: -Infinity, ms: null, slots: 0 };
    if (price > row.most) Object.assign(row, { most: price, ms: Date.parse(slot) });
    row.slots += 1;
    rows.set(name, row);
  }
  return [...rows.values()].sort((a, b) => b.most - a.most);
}

// What stands in every district has a word; other assets have their own names.
export function assetName(asset, words) {
  const key = `asset.${asset.replaceAll(" ", "_")}`;
  return words.has(key) ? words(key) : asset;
}

export const actionName = (action, words) => (words.has(`action.${action}`) ? words(`action.${action}`) : action);

// The comparison that decided, or the service's own sentence where there is no word for it yet.
export function sentenceOf(reason, words, format) {
  const key = `why.${reason.action}`;
  const { now_krw_per_kwh: now, against_krw_per_kwh: against } = reason;
  if (!words.has(key) || !format.known(now) || !format.known(against)) return null;
  const price = (krw) => format.price(String(krw));
  return words(key, { now: price(now), against: price(against) });
}

// Stores and heat as chart models.
import { frame, padded, powerScale, sum } from "./series.js";

export function storesModel(data, snapshot, { words, format }) {
  const { battery, heat, cars } = data;
  const base = frame(data, snapshot, [battery?.plan_kwh, heat?.plan_kwh]);
  const share = (store) => padded(store?.plan_kwh, base.count).map((kwh) => (kwh === null || !store.kwh_max ? null : kwh / store.kwh_max));
  const now = (store) => (store?.kwh_max && format.known(store.now_kwh) ? store.now_kwh / store.kwh_max : null);
  const column = (key, store) => ({
    key: `${key}_kwh`, label: words(`stores.${key}`), unit: "kWh", values: padded(store?.plan_kwh, base.count),
    show: (kwh) => (store.kwh_max ? `${format.percent(kwh / store.kwh_max)} · ${format.energy(kwh)}` : format.energy(kwh)), plain: (kwh) => format.number(kwh, 1),
  });
  const stores = [["battery", battery], ["heat", heat]].filter(([, store]) => store && store.kwh_max > 0);
  const text = stores.filter(([, store]) => now(store) !== null).map(([key, store]) => words(`stores.finding_${key}`, { share: format.percent(now(store)) }));
  return {
    ...base, unit: "%", scale: 0.01, max: 1, panels: [{}],
    finding: text.length ? text.join(", ") : words("stores.plain"),
    about: words("stores.about"),
    lines: stores.map(([key, store]) => ({ name: key, values: share(store), kind: "plan" })),
    key: stores.map(([key]) => ({ name: key, shape: "line", label: words(`stores.${key}`) })),
    columns: stores.map(([key, store]) => column(key, store)),
    facts: [
      ...stores.map(([key, store]) => [words(`stores.${key}`), format.known(store.now_kwh) ? words("stores.of", { now: format.energy(store.now_kwh), max: format.energy(store.kwh_max) }) : "–"]),
      cars ? [words("stores.cars"), words.count("stores.connected", cars.connected ?? 0, format.count(cars.connected ?? 0)),
        words("stores.cars_note", { v2g: format.count(cars.v2g ?? 0), power: format.power(cars.charging_kw ?? 0) })] : null,
    ],
  };
}

export function heatModel(data, snapshot, { words, format }) {
  const parts = [["fuel_cell", "fuel-cell", data.fuel_cell_kw], ["heat_pump", "heat", data.heat_pump_kw], ["boiler", "boiler", data.boiler_kw]].filter(([, , values]) => values);
  const base = frame(data, snapshot, [data.demand_kw, ...parts.map(([, , values]) => values)]);
  const up = parts.map(([key, name, values]) => ({ key, name, values: padded(values, base.count) }));
  const demand = padded(data.demand_kw, base.count);
  const stack = Array.from({ length: base.count }, (_, i) => sum(up.map((layer) => layer.values[i])));
  const power = powerScale(format, demand, stack);
  const made = up.map((layer) => ({ key: layer.key, amount: sum(layer.values.slice(base.nowIndex)) })).sort((a, b) => b.amount - a.amount);
  const all = sum(made.map((part) => part.amount));
  return {
    ...base, unit: power.unit, scale: power.scale, up, panels: [{}],
    finding: all > 0 ? words("heat.finding", { source: words(`heat.${made[0].key}`), share: format.percent(made[0].amount / all) }) : words("heat.plain"),
    about: words("heat.about"),
    lines: [{ name: "text", values: demand, kind: "demand" }],
    key: [...up.map((layer) => ({ name: layer.name, label: words(`heat.${layer.key}`) })), { name: "text", shape: "line", label: words("heat.demand") }],
    columns: [power.column("demand_kw", words("heat.demand"), demand), ...up.map((layer) => power.column(`${layer.key}_kw`, words(`heat.${layer.key}`), layer.values))],
  };
}

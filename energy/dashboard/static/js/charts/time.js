// Ticks on whole hours of the district's day, whatever its offset from UTC.
const hours = new Map();

function hourOf(ms, zone) {
  if (!hours.has(zone)) {
    hours.set(zone, new Intl.DateTimeFormat("en", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }));
  }
  const [hour, minute] = hours.get(zone).format(ms).split(":");
  return minute === "00" ? Number(hour) : null;
}

export function timeTicks({ startMs, stepMs, count }, width, format) {
  const span = (count * stepMs) / 3_600_000;
  const every = [1, 2, 3, 6, 12, 24].find((step) => (width / span) * step >= 58) ?? 24;
  const ticks = [];
  for (let index = 0; index <= count; index += 1) {
    const ms = startMs + index * stepMs;
    const hour = hourOf(ms, format.zone);
    if (hour === null || hour % every !== 0) continue;
    ticks.push({ index, text: hour === 0 ? format.dayShort(ms) : format.time(ms), day: hour === 0 });
  }
  return ticks;
}

// Numbers, money, units and times for people; always the district's time zone, never the viewer's.
const NB = "\u00a0";
const MINUTE = 60_000;

export function makeFormat(language, zone) {
  const numbers = new Map();
  const number = (value, low = 0, high = low) => {
    const key = `${low}/${high}`;
    if (!numbers.has(key)) {
      numbers.set(key, new Intl.NumberFormat(language, { minimumFractionDigits: low, maximumFractionDigits: high }));
    }
    return numbers.get(key).format(value);
  };
  const parts = (options) => new Intl.DateTimeFormat(language, { timeZone: zone, hourCycle: "h23", ...options });
  const clock = parts({ hour: "2-digit", minute: "2-digit" });
  const dayLong = parts({ weekday: "short", day: "numeric", month: language === "ko" ? "long" : "short" });
  const dayShort = parts({ day: "numeric", month: language === "ko" ? "numeric" : "short" });
  const ago = new Intl.RelativeTimeFormat(language, { style: "short" });
  const known = (value) => value !== null && value !== undefined;

  const time = (ms) => clock.format(ms);
  const date = (ms) => {
    const found = Object.fromEntries(dayLong.formatToParts(ms).map((part) => [part.type, part.value]));
    return language === "ko"
      ? `${found.month}${/\d$/.test(found.month) ? "월" : ""} ${found.day}일 (${found.weekday})`
      : `${found.weekday} ${found.day} ${found.month}`;
  };
  // Money arrives as decimal text and goes to Intl as text, exact beyond 2^53.
  const won = (text, digits = 0) => {
    const bare = String(text).replace(/^-/, "");
    const minus = String(text).startsWith("-") && /[1-9]/.test(bare) ? "\u2212" : "";
    const amount = number(bare, 0, digits);
    return language === "ko" ? `${minus}${amount}원` : `${minus}₩${amount}`;
  };
  const energyDigits = (value) => (Math.abs(value) < 10 ? 2 : 1);
  const unitOf = (kw) => (Math.abs(kw) >= 1000 ? "MW" : "kW");
  const inUnit = (kw, unit) => (unit.startsWith("M") ? kw / 1000 : kw);

  return {
    number, known, time, date, won, unitOf, inUnit, zone,
    count: (value) => number(value),
    dateTime: (ms) => `${date(ms)}${language === "ko" ? "" : ","} ${time(ms)}`,
    dayShort: (ms) => dayShort.format(ms),
    slot: (ms, step = 15 * MINUTE) => `${time(ms)}–${time(ms + step)}`,
    utc: (ms) => `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")}Z`,
    power: (kw, unit = unitOf(kw)) => `${number(inUnit(kw, unit), 1)}${NB}${unit}`,
    energy: (kwh, unit = Math.abs(kwh) >= 1000 ? "MWh" : "kWh") => {
      const amount = inUnit(kwh, unit);
      return `${number(amount, energyDigits(amount))}${NB}${unit}`;
    },
    kwh: (kwh) => `${number(kwh, 0, 1)}${NB}kWh`,
    price: (text) => `${won(text, 1)}/kWh`,
    percent: (fraction) => `${number(fraction * 100, 1)}${NB}%`,
    seconds: (value) => `${number(value, 2)}${NB}s`,
    voltage: (value) => `${number(value, 3)}${NB}pu`,
    tonnes: (value) => `${number(value, 1)}${NB}t`,
    age: (seconds) => {
      const minutes = Math.max(0, Math.round(seconds / 60));
      return minutes < 120 ? ago.format(-minutes, "minute") : ago.format(-Math.round(minutes / 60), "hour");
    },
  };
}

// A difference of two decimal texts as decimal text; floats would lose the last won of large sums.
export function subtractDecimals(left, right) {
  const scale = Math.max(...[left, right].map((text) => (String(text).split(".")[1] ?? "").length));
  const whole = (text) => {
    const [integer, fraction = ""] = String(text).replace(/^-/, "").split(".");
    const value = BigInt(integer + fraction.padEnd(scale, "0"));
    return String(text).startsWith("-") ? -value : value;
  };
  const difference = whole(left) - whole(right);
  const digits = String(difference < 0n ? -difference : difference).padStart(scale + 1, "0");
  const cut = digits.length - scale;
  return `${difference < 0n ? "-" : ""}${digits.slice(0, cut)}${scale ? `.${digits.slice(cut)}` : ""}`;
}

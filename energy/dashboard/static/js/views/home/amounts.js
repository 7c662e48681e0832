// Decimal texts of people to whole numbers of the market and back; no float touches an amount.
export class AmountError extends Error {}

// Thousandths of a decimal text: Wh of kWh, milli-won of won. Comma and point are the same mark.
export function thousandths(text) {
  const found = /^(\d{1,9})(?:[.,](\d{1,3}))?$/.exec(text.trim());
  if (!found) throw new AmountError(text);
  return BigInt(found[1]) * 1000n + BigInt((found[2] ?? "").padEnd(3, "0"));
}

// Milli-won of a price in won, which may lie below 0.
export function milliWon(text) {
  const bare = text.trim().replace(/^[-\u2212]/, "");
  return bare === text.trim() ? thousandths(bare) : -thousandths(bare);
}

export function decimalOf(amount, digits) {
  const minus = amount < 0n ? "-" : "";
  const text = String(amount < 0n ? -amount : amount).padStart(digits + 1, "0");
  const whole = text.slice(0, -digits), rest = text.slice(-digits).replace(/0+$/, "");
  return `${minus}${whole}${rest ? `.${rest}` : ""}`;
}

// Wh times milli-won per kWh are micro-won, exactly.
export const wonOf = (wh, mkrw) => decimalOf(BigInt(wh) * BigInt(mkrw), 6);

export const isNought = (text) => !/[1-9]/.test(String(text));
export const isBelow = (text) => String(text).startsWith("-") && !isNought(text);
export const bare = (text) => String(text).replace(/^-/, "");

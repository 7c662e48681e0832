// What people read of a message, in won and kWh; it must agree with what was signed.
import { Unusable } from "./bytes.js";

export function decimal(value, digits) {
  const bare = String(value < 0n ? -value : value).padStart(digits + 1, "0");
  const [whole, rest] = [bare.slice(0, -digits), bare.slice(-digits).replace(/0+$/, "")];
  return `${value < 0n ? "-" : ""}${whole}${rest ? `.${rest}` : ""}`;
}

const LEDGERS = { 1: ["krw", 6], 2: ["kwh", 3], 3: ["points", 6] };

export function displayOf(name, message) {
  const found = {};
  for (const [field, value] of Object.entries(message)) {
    if (typeof value !== "bigint") continue;
    if (field.endsWith("_mkrw_per_kwh")) found[field.replace("_mkrw_", "_krw_")] = decimal(value, 3);
    else if (field.endsWith("_cap_ukrw")) found[field.replace("_ukrw", "_krw")] = decimal(value, 6);
    else if (field.endsWith("_wh")) found[`${field.slice(0, -3)}_kwh`] = decimal(value, 3);
  }
  if (name === "Transfer") {
    if (!LEDGERS[message.ledger]) throw new Unusable(`ledger ${message.ledger} is unknown`);
    const [unit, digits] = LEDGERS[message.ledger];
    found[`amount_${unit}`] = decimal(message.amount, digits);
  }
  return found;
}

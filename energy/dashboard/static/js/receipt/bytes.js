// Strict readers of what stands in a bundle; each says in one sentence what it cannot read.
export class Unusable extends Error {}

export class Refuted extends Error {
  constructor(check, message) {
    super(message);
    this.check = check;
  }
}

const DECIMAL = /^-?(?:0|[1-9][0-9]*)$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const utf8 = new TextEncoder();

export const ZERO32 = `0x${"00".repeat(32)}`;
export const ascii = (text) => utf8.encode(text);
export const hex = (raw) => `0x${Array.from(raw, (one) => one.toString(16).padStart(2, "0")).join("")}`;
export const shown = (found) => String(JSON.stringify(found)).slice(0, 80);

export function unhex(text) {
  const raw = new Uint8Array(text.length / 2 - 1);
  for (let n = 0; n < raw.length; n += 1) raw[n] = Number.parseInt(text.slice(2 + 2 * n, 4 + 2 * n), 16);
  return raw;
}

export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// A whole number as so many bytes, the highest first; negative ones as their complement.
export function bigEndian(value, size) {
  return unhex(`0x${BigInt.asUintN(8 * size, value).toString(16).padStart(2 * size, "0")}`);
}

export const fromBigEndian = (raw) => BigInt(hex(raw));

export function readNumber(text) {
  if (typeof text !== "string" || text.length > 40 || !DECIMAL.test(text) || text === "-0") {
    throw new Unusable(`${shown(text)} is not a canonical decimal string`);
  }
  return BigInt(text);
}

// Bytes stay the text that they are: lower-case hex of one form, so that equal texts are equal bytes.
export function readHex(text, size) {
  if (typeof text !== "string" || text.length !== 2 + 2 * size || !/^0x[0-9a-f]*$/.test(text)) {
    throw new Unusable(`${shown(text)} is not 0x and ${2 * size} lower-case hex digits`);
  }
  return text;
}

export function readPacked(text, size) {
  if (typeof text !== "string" || !BASE64.test(text)) throw new Unusable(`${shown(text)} is not base64`);
  const binary = atob(text);
  const raw = Uint8Array.from(binary, (one) => one.charCodeAt(0));
  if (raw.length % size || btoa(binary) !== text) {
    throw new Unusable(`${raw.length} bytes are not canonical rows of ${size}`);
  }
  return raw;
}

export function readList(found) {
  if (!Array.isArray(found)) throw new Unusable(`${shown(found)} is not a list`);
  return found;
}

export const isObject = (found) => typeof found === "object" && found !== null && !Array.isArray(found);

export function readKeys(found, names) {
  const wanted = new Set(names);
  const there = isObject(found) ? Object.keys(found) : null;
  if (there === null || there.length !== wanted.size || !there.every((name) => wanted.has(name))) {
    const odd = there === null ? shown(found)
      : [...there.filter((name) => !wanted.has(name)), ...[...wanted].filter((name) => !there.includes(name))].sort();
    throw new Unusable(`keys missing or unknown: ${odd}`);
  }
  return found;
}

// The one way to write a JSON value: sorted keys, no spaces. No key can stand twice in it.
export function canonical(found) {
  if (Array.isArray(found)) return `[${found.map(canonical).join(",")}]`;
  if (!isObject(found)) return JSON.stringify(found);
  return `{${Object.keys(found).sort().map((name) => `${JSON.stringify(name)}:${canonical(found[name])}`).join(",")}}`;
}

// A JSON object in which no key stands twice: as many keys were read as are written.
export function readObject(text) {
  let found;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Unusable(`not JSON: ${error.message}`);
  }
  if (!isObject(found)) throw new Unusable("not a JSON object");
  const written = [...text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)].filter((match) => match[1]).length;
  const count = (value) => (typeof value !== "object" || value === null ? 0
    : Object.values(value).reduce((sum, one) => sum + count(one), Array.isArray(value) ? 0 : Object.keys(value).length));
  if (written !== count(found)) throw new Unusable("a key stands twice");
  // An escape may name half a character, which no bytes are; writing it gives the escape again.
  if (/(?:^|[^\\])(?:\\\\)*\\ud[89a-f]/i.test(JSON.stringify(found))) throw new Unusable("no text: half a character");
  return found;
}

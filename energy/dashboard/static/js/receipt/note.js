// The signed text of a checkpoint, and the trust root that says which log it is of.
import { ascii, bigEndian, hex, joined, readHex, readKeys, readList, readNumber, readObject, readPacked, unhex, Unusable } from "./bytes.js";
import { keccak256 } from "./keccak.js";
import { sha256 } from "./sha256.js";
import { digestOf, prefixOf, TYPES } from "./typed.js";

const NOTE = /^([^ \t\n\r\f\v+]+)\n(0|[1-9][0-9]{0,19})\n([^\n]+)\ntick (0|[1-9][0-9]{0,19})\naccounts ([^\n]+)\nprevious ([^\n]+)\n\n((?:— [^\n ]+ [^\n ]+\n)+)$/;
const TRUST = ["trust", "market", "domain", "origin", "registrar", "operator", "witnesses", "quorum", "first"];

function readRoot(text) {
  const raw = readPacked(text, 32);
  if (raw.length !== 32) throw new Unusable(`note: ${text} is not base64 of 32 bytes`);
  return hex(raw);
}

// The fields of a note, and its signature lines.
export function readNote(text) {
  const match = typeof text === "string" ? NOTE.exec(text) : null;
  if (match === null) throw new Unusable("the note is not that of a checkpoint");
  const message = {
    origin: hex(keccak256(ascii(match[1]))),
    tick: BigInt(match[4]),
    size: BigInt(match[2]),
    root: readRoot(match[3]),
    accounts_root: readRoot(match[5]),
    previous: readRoot(match[6]),
  };
  const lines = match[7].slice(0, -1).split("\n").map((line) => {
    const [, name, signed] = line.split(" ");
    return { name, raw: readPacked(signed, 1) };
  });
  return { message, lines };
}

export function noteDigest(prefix, message) {
  const { fields, hash } = TYPES.Checkpoint;
  if (message.tick >= 2n ** 64n || message.size >= 2n ** 64n) throw new Unusable("note: tick and size must fit 64 bits");
  const words = fields.map(([name, kind]) => (kind === "bytes32" ? unhex(message[name]) : bigEndian(message[name], 32)));
  return digestOf(prefix, keccak256(joined(hash, ...words)));
}

// The four bytes by which a note names a key.
export const keyId = (name, address) => hex(
  sha256(ascii(name), Uint8Array.of(0x0a, 0xff), ascii("eip712-checkpoint-v1"), unhex(address)).slice(0, 4),
);

export function readTrust(text) {
  const found = readKeys(readObject(text), TRUST);
  if (found.trust !== "microgrid-trust/1") throw new Unusable(`trust ${found.trust}, allowed microgrid-trust/1`);
  if (typeof found.market !== "string" || typeof found.origin !== "string") throw new Unusable("market and origin must be text");
  return {
    market: found.market,
    domain: found.domain,
    origin: found.origin,
    prefix: prefixOf(found.market, found.domain),
    registrar: readHex(found.registrar, 20),
    operator: readHex(found.operator, 32),
    witnesses: readList(found.witnesses).map((one) => readHex(one, 20)),
    quorum: readNumber(found.quorum),
    first: readNote(found.first),
  };
}

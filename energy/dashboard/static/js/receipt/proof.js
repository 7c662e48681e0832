// One bundle on its way through the checks that all claims share; the claims are in claims.js.
import { bigEndian, hex, isObject, readHex, readKeys, readList, readNumber, Refuted, unhex, Unusable, ZERO32 } from "./bytes.js";
import { recover } from "./curve.js";
import { makeKeyRing, OPERATOR_ROLE, ROLE } from "./keys.js";
import { chained, climb, leafHash, readPath, rootByPath } from "./merkle.js";
import { keyId, noteDigest, readNote } from "./note.js";
import { digestOf, typed, TYPES } from "./typed.js";

export const NAMES_ACCOUNT = ["account", "seller", "buyer", "program", "debit", "credit"];
export const UNSALTED = ["type", "message", "signatures"];
const EVIDENCE = ["fork", "nonce", "broken_promise"];
const TWICE_SIGNED = ["Contract", "KeyRegister", "KeyRotate"];
const KEY_ENTRIES = ["KeyRegister", "KeyRotate", "KeyRevoke"];

export const unsalted = (found) => ({ ...readKeys(found, UNSALTED), salt: ZERO32 });

// The accounts of the entries that stand in the bundle.
function namedAccounts(found) {
  const messages = [found.entry?.message, found.other?.message].filter(isObject);
  return messages.flatMap((message) => NAMES_ACCOUNT.map((name) => (Object.hasOwn(message, name) ? message[name] : null)));
}

export function readAmounts(found) {
  const amounts = readList(found).map(readNumber);
  if (amounts.length !== 3 || amounts.some((one) => one >= 2n ** 127n || -one >= 2n ** 127n)) {
    throw new Unusable("balances are not three amounts");
  }
  return amounts;
}

// The leaf of an account in the accounts tree.
export function stateLeaf(state, head, keysHead) {
  const money = readAmounts(state.balances).map((amount) => bigEndian(amount, 16));
  const seq = readNumber(state.seq);
  if (seq < 0n || seq >= 2n ** 64n) throw new Unusable(`seq ${seq} does not fit`);
  return leafHash(Uint8Array.of(1), unhex(readHex(state.blind, 32)), bigEndian(seq, 8), head, keysHead, ...money);
}

export function makeProof(trust, found) {
  const ring = makeKeyRing(trust.registrar, trust.operator);
  const keyEntries = new Set();
  const seen = new Set();
  const keyed = new Set();
  const proof = { trust, found, ring, keyEntries, part: "", checks: new Map(), head: null, headDigest: "", event: ZERO32 };

  function require(fact, check, message) {
    if (!fact) throw new Refuted(check, `${proof.part}: ${message}`);
    proof.checks.set(check, (proof.checks.get(check) ?? 0) + 1);
  }

  function takeSignature(name, digest, row) {
    readKeys(row, ["signer", "signature"]);
    const signer = readHex(row.signer, 20);
    const signature = unhex(readHex(row.signature, 65));
    const key = hex(digest) + signer + row.signature;
    // The registrar signs for its own key twice, with the same bytes.
    require(seen.has(key) || recover(digest, signature) === signer, "signature", `${name}: not canonical or not by ${row.signer}`);
    seen.add(key);
    return [signer, signature];
  }

  // An entry of one of these types, every signature by its signer.
  function takeEntry(one, names) {
    const entry = readKeys(one, [...UNSALTED, "salt"]);
    if (!names.includes(entry.type)) throw new Unusable(`${proof.part}: type ${entry.type}, allowed ${names}`);
    const [message, hashed] = typed(entry.type, entry.message);
    const digest = digestOf(trust.prefix, hashed);
    const rows = readList(entry.signatures);
    const count = TWICE_SIGNED.includes(entry.type) ? 2 : entry.type === "AutoOrder" ? 0 : 1;
    if (rows.length !== count) {
      throw new Unusable(`${proof.part}: ${rows.length} signatures of a ${entry.type}`);
    }
    const signed = rows.map((row) => takeSignature(entry.type, digest, row));
    const salt = unhex(readHex(entry.salt, 32));
    const leaf = leafHash(Uint8Array.of(1, TYPES[entry.type].code), salt, digest, ...signed.map(([, raw]) => raw));
    return { name: entry.type, message, digest: hex(digest), signers: signed.map(([signer]) => signer), leaf };
  }

  // The entries of one account's keys; where the account stands in the accounts tree is checked later.
  function takeKeyHistory(row, n) {
    readKeys(row, ["account", "entries", "state"]);
    const account = readHex(row.account, 32);
    // None twice, and none of whom the proof does not name: equal proofs are equal bytes.
    const fresh = namedAccounts(found).includes(account) && !keyed.has(account);
    require(n ? fresh : account === trust.operator, "key history", "not the operator's first, or of nobody named");
    keyed.add(account);
    let head = unhex(ZERO32);
    const entries = readList(row.entries).map((one, number) => {
      proof.part = `keys[${n}].entries[${number}]`;
      const entry = takeEntry(unsalted(one), KEY_ENTRIES);
      require(entry.message.account === account, "key history", "of another");
      keyEntries.add(entry.digest);
      head = chained(head, unhex(entry.digest));
      return entry;
    });
    // The registrar's own comes first in the log, wherever its digest has put it here.
    const isOwn = (entry) => entry.message.key === trust.registrar;
    [...entries.filter(isOwn), ...entries.filter((one) => !isOwn(one))].forEach((entry, number) => {
      const isFirst = n === 0 && number === 0;
      const good = ring.mayChange(entry.name, entry.message, entry.signers, isFirst);
      require(good, "key role", `${entry.name} ${entry.digest}`);
      ring.take(entry.name, entry.message);
    });
    return { account, head, state: row.state };
  }

  // Whoever shows a fork has no more than the published checkpoint, whose key is a LOG key.
  function trustFirstKey() {
    const digest = noteDigest(trust.prefix, trust.first.message);
    for (const { raw } of trust.first.lines) {
      const signer = recover(digest, raw.slice(4));
      if (signer !== null) ring.give(trust.operator, signer, ROLE.LOG, trust.first.message.tick);
    }
  }

  // A checkpoint signed by a LOG key. A line that nobody knows could say anything without being missed.
  function takeNote(text) {
    const { message, lines } = readNote(text);
    require(message.origin === trust.originHash, "checkpoint origin", "of another log");
    const digest = noteDigest(trust.prefix, message);
    let known = 0;
    for (const { name, raw } of lines) {
      for (const key of ring.of(trust.operator)) {
        if (name !== trust.origin || hex(raw.slice(0, 4)) !== keyId(name, key.address)) continue;
        const good = recover(digest, raw.slice(4)) === key.address
          && ring.holds(trust.operator, key.address, ROLE.LOG, message.tick, message.tick);
        require(good, "checkpoint signature", "a bad line of a known key");
        known += 1;
      }
    }
    require(known > 0, "checkpoint signature", "not by a LOG key of the operator");
    require(known === lines.length, "checkpoint signature", "a line of an unknown key");
    return { message, digest: hex(digest) };
  }

  function requireAfterFirst() {
    const [first, here] = [trust.first.message, proof.head];
    const same = Object.keys(first).every((name) => first[name] === here[name]);
    require(here.size > first.size || same, "first checkpoint", "before or beside the one that is published");
  }

  function requireWitnesses(rows) {
    const there = new Set();
    rows.forEach((one, n) => {
      proof.part = `cosignatures[${n}]`;
      const entry = takeEntry(unsalted(one), ["Cosign"]);
      require(entry.message.checkpoint === proof.headDigest, "witness", "for another checkpoint");
      const [signer] = entry.signers;
      // In order of their addresses, so that equal proofs are equal bytes.
      const fits = trust.witnesses.includes(signer) && [...there].every((one) => signer > one);
      require(fits, "witness", "unknown, twice or out of order");
      there.add(signer);
    });
    // What speaks against the operator needs nobody to vouch for the operator.
    const enough = BigInt(there.size) >= trust.quorum || EVIDENCE.includes(found.claim);
    require(enough, "witness quorum", `${there.size} of ${trust.quorum}`);
  }

  function requireState({ account, head, state }) {
    readKeys(state, ["blind", "seq", "head", "balances", "path"]);
    const leaf = stateLeaf(state, unhex(readHex(state.head, 32)), head);
    require(climb(leaf, state.path) === proof.head.accounts_root, "key history", `${account}: not as in the accounts tree`);
  }

  function takeFrame() {
    proof.part = "keys";
    if (found.claim === "fork" && Array.isArray(found.keys) && !found.keys.length) trustFirstKey();
    const states = readList(found.keys).map(takeKeyHistory);
    require(states.length > 0 || !ring.isEmpty(), "key history", "no keys of the operator");
    proof.part = "checkpoint";
    const note = takeNote(found.checkpoint);
    [proof.head, proof.headDigest] = [note.message, note.digest];
    requireAfterFirst();
    proof.part = "cosignatures";
    requireWitnesses(readList(found.cosignatures));
    proof.part = "keys";
    states.forEach(requireState);
  }

  function requireOperator(entry, first, last) {
    const good = ring.holds(trust.operator, entry.signers[0], OPERATOR_ROLE[entry.name], first, last);
    require(good, "key role", `${entry.name}: not by a key of the operator`);
  }

  function requireLogged(leaf, place) {
    readKeys(place, ["index", "size", "path"]);
    const size = readNumber(place.size);
    require(size === proof.head.size, "path in log", `size ${size}`);
    const root = rootByPath(leaf, readNumber(place.index), size, readPath(place.path));
    require(root === proof.head.root, "path in log", "does not lead to the root");
  }

  // The place of a leaf in a set whose root and size an operator's entry of the log signs for.
  function requireInSet(leaf, part, size, root) {
    const said = readNumber(part.size);
    require(said === size, "path in set", `size ${said}`);
    const reached = rootByPath(leaf, readNumber(part.index), said, readPath(part.path));
    require(reached === root, "path in set", "does not lead to the root");
  }

  return Object.assign(proof, { require, takeEntry, takeNote, takeFrame, requireOperator, requireLogged, requireInSet });
}

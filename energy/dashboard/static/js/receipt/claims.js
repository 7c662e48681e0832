// The claims: what is left of each when keys, checkpoint and witnesses are in order.
import { hex, joined, readHex, readKeys, readList, readNumber, readPacked, unhex, Unusable, ZERO32 } from "./bytes.js";
import { proveAutomatic, proveCancelledEvent, proveInclusion, requireSigner, takeReceipt } from "./entries.js";
import { keccak256 } from "./keccak.js";
import { chained, climb, isConsistent, readPath, rootByPath } from "./merkle.js";
import { NAMES_ACCOUNT, readAmounts, stateLeaf, unsalted } from "./proof.js";
import { digestOf, TYPES } from "./typed.js";

const WITH_NONCE = ["Order", "Cancel", "DrEvent", "DrCommit", "Contract", "StandingInstruction", "KeyRegister", "KeyRotate", "KeyRevoke"];
const PROMISED = ["Order", "Cancel", "Contract", "DrEvent", "DrCommit", "StandingInstruction"];
const STATE = ["note", "blind", "seq", "head", "keys_head", "balances", "path"];
const WORD = 32;

export const CLAIM_KEYS = {
  inclusion: ["keys", "entry", "set", "log", "receipt", "display"],
  automatic: ["keys", "entry", "set", "log", "receipt", "display", "instruction"],
  cancelled_event: ["keys", "entry", "set", "log", "receipt", "display", "event"],
  consistency: ["keys", "old", "proof"],
  account: ["keys", "account", "from", "history", "state"],
  fork: ["keys", "other", "leaves"],
  nonce: ["keys", "entry", "other"],
  broken_promise: ["keys", "receipt", "entry", "account", "from", "history", "state"],
};

function proveConsistency(proof) {
  proof.part = "old";
  const { message: old } = proof.takeNote(proof.found.old);
  proof.part = "proof";
  const path = readPath(proof.found.proof);
  proof.require(isConsistent(old, proof.head, path), "consistency", "is not shown");
  const same = Object.keys(old).every((name) => old[name] === proof.head[name]);
  proof.require(old.tick < proof.head.tick || same, "consistency", "ticks do not rise");
}

// The state from which a history goes on: that of an older checkpoint, or nought.
function takeFrom(proof, found) {
  const zero = unhex(ZERO32);
  if (found === null) return { seq: 0n, head: zero, keysHead: zero, sums: [0n, 0n, 0n] };
  const state = readKeys(found, STATE);
  const { message: old } = proof.takeNote(state.note);
  const [head, keysHead] = [unhex(readHex(state.head, 32)), unhex(readHex(state.keys_head, 32))];
  const good = climb(stateLeaf(state, head, keysHead), state.path) === old.accounts_root;
  proof.require(good, "account history", "the old state is not in its accounts tree");
  proof.require(old.tick < proof.head.tick, "account history", "from a later tick");
  return { seq: readNumber(state.seq), head, keysHead, sums: readAmounts(state.balances) };
}

const wordAt = (words, n) => words.slice(WORD * n, WORD * n + WORD);

// What a transfer, as words, has moved to and from the account.
function move(sums, words, account) {
  const [ledger, kind] = [words[31], words[63]];
  if (![1, 3, 5].includes(kind) || ledger < 1 || ledger > 3) return;
  const amount = BigInt(hex(wordAt(words, 5)));
  if (hex(wordAt(words, 4)) === account) sums[ledger - 1] += amount;
  if (hex(wordAt(words, 3)) === account) sums[ledger - 1] -= amount;
}

// One entry of a history, given as its words: it names the account and extends its chains.
function extend(proof, from, name, words, account) {
  const { fields, hash, code } = TYPES[name];
  const named = fields.some(([field], n) => NAMES_ACCOUNT.includes(field) && hex(wordAt(words, n)) === account);
  proof.require(named, "account history", `a ${name} of another account`);
  if (name === "Transfer") move(from.sums, words, account);
  const digest = digestOf(proof.trust.prefix, keccak256(joined(hash, words)));
  proof.history.add(hex(digest));
  from.head = chained(from.head, digest);
  if (code >= TYPES.KeyRegister.code) from.keysHead = chained(from.keysHead, digest);
  from.seq += 1n;
}

// Everything that names the account, nothing left out, and its balances from it.
function proveAccount(proof) {
  const { found } = proof;
  proof.part = "from";
  const account = readHex(found.account, 32);
  const from = takeFrom(proof, found.from);
  proof.history = new Set();
  readList(found.history).forEach((row, n) => {
    proof.part = `history[${n}]`;
    readKeys(row, ["type", "words"]);
    const type = typeof row.type === "string" && Object.hasOwn(TYPES, row.type) ? TYPES[row.type] : null;
    if (!type?.code || row.type === "Clearing") throw new Unusable(`${proof.part}: type ${row.type} names no account`);
    const width = WORD * type.fields.length;
    const raw = readPacked(row.words, width);
    proof.require(raw.length > 0, "account history", "no entries of this type");
    for (let at = 0; at < raw.length; at += width) extend(proof, from, row.type, raw.slice(at, at + width), account);
  });
  proof.part = "state";
  const state = readKeys(found.state, ["blind", "seq", "balances", "path"]);
  proof.require(readNumber(state.seq) === from.seq, "account history", `${from.seq} entries`);
  const balances = readAmounts(state.balances);
  proof.require(balances.every((one, n) => one === from.sums[n]), "balances follow", `transfers add up to ${from.sums}`);
  const good = climb(stateLeaf(state, from.head, from.keysHead), state.path) === proof.head.accounts_root;
  proof.require(good, "account history", "does not lead to the accounts tree");
  proof.account = { account, seq: from.seq, balances };
}

// Two signed heads that no one log can have.
function proveFork(proof) {
  proof.part = "other";
  const other = proof.takeNote(proof.found.other);
  if (proof.found.leaves === null) {
    const two = other.message.size === proof.head.size && other.digest !== proof.headDigest;
    proof.require(two, "fork", "not two heads of one size");
    return;
  }
  proof.part = "leaves";
  const pair = readList(proof.found.leaves);
  proof.require(pair.length === 2, "fork", "not two leaves");
  const leaves = [proof.head, other.message].map((head, n) => {
    const place = readKeys(pair[n], ["leaf", "index", "path"]);
    const [leaf, at] = [readHex(place.leaf, 32), readNumber(place.index)];
    const root = rootByPath(unhex(leaf), at, head.size, readPath(place.path));
    proof.require(root === head.root, "path in log", "does not lead to the root");
    return { leaf, at };
  });
  const differ = leaves[0].at === leaves[1].at && leaves[0].leaf !== leaves[1].leaf;
  proof.require(differ, "fork", "not two leaves of a place");
}

// Two different messages of one account under one nonce, both well signed.
function proveNonce(proof) {
  const pair = ["entry", "other"].map((part) => {
    proof.part = part;
    const entry = proof.takeEntry(unsalted(proof.found[part]), WITH_NONCE);
    requireSigner(proof, entry, 0n, proof.head.tick);
    return entry;
  });
  const [one, other] = pair.map(({ message }) => `${message.account ?? message.seller ?? message.program} ${message.nonce}`);
  proof.require(one === other, "nonce", "of two accounts, or two nonces");
  proof.require(pair[0].digest !== pair[1].digest, "nonce", "one message twice");
}

// A receipt whose entry is not in the whole history of its account.
function proveBrokenPromise(proof) {
  const { found } = proof;
  proof.part = "entry";
  const entry = proof.takeEntry(unsalted(found.entry), PROMISED);
  proof.part = "receipt";
  const promise = takeReceipt(proof, found.receipt);
  proof.require(promise.entry === entry.digest, "receipt", "of another entry");
  proof.require(promise.sealed_by <= proof.head.tick, "receipt", "the promised tick is still to come");
  proof.part = "from";
  if (found.from !== null) {
    const { message: old } = proof.takeNote(readKeys(found.from, STATE).note);
    proof.require(old.tick < promise.received - 900n, "receipt", "the history begins after the promise");
  }
  proof.part = "account";
  const account = readHex(found.account, 32);
  const named = NAMES_ACCOUNT.some((field) => entry.message[field] === account);
  proof.require(named, "receipt", "the history of another account");
  proveAccount(proof);
  proof.part = "history";
  proof.require(!proof.history.has(entry.digest), "broken promise", "the entry is there");
}

export const CLAIMS = {
  inclusion: proveInclusion,
  automatic: proveAutomatic,
  cancelled_event: proveCancelledEvent,
  consistency: proveConsistency,
  account: proveAccount,
  fork: proveFork,
  nonce: proveNonce,
  broken_promise: proveBrokenPromise,
};

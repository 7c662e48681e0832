// That one entry is in the books: who signed it, its set, its place in the log, its receipt.
import { hex, isObject, readHex, readKeys, readNumber, unhex } from "./bytes.js";
import { displayOf } from "./display.js";
import { OPERATOR_ROLE, ROLE } from "./keys.js";
import { leafHash } from "./merkle.js";
import { UNSALTED, unsalted } from "./proof.js";
import { digestOf, typed, TYPES } from "./typed.js";

const SET_OF = { Order: 1n, Cancel: 1n, Contract: 1n, DrEvent: 1n, DrCommit: 1n, StandingInstruction: 1n, AutoOrder: 1n, Reading: 2n, Bill: 4n };
const UNLOGGED = ["Transfer", "Checkpoint", "Receipt", "Cosign", "AutoOrder"];
const LOGGED = Object.keys(TYPES).filter((name) => TYPES[name].code && !UNLOGGED.includes(name));

// Whoever signed held the role, at the slot that the entry names where it names one.
export function requireSigner(proof, entry, first, last) {
  const { name, message, signers } = entry;
  const { ring, trust } = proof;
  if (name === "AutoOrder") return; // signed by the instruction that it names
  const holds = (account, role, from, to) => ring.holds(account, signers[0], role, from, to);
  const slot = name === "StandingInstruction" ? message.first_slot : message.slot ?? last;
  if (OPERATOR_ROLE[name]) {
    proof.requireOperator(entry, first, last);
    return;
  }
  if (name.startsWith("Key")) {
    proof.require(proof.keyEntries.has(entry.digest), "key history", `${name}: not in the history of its account`);
    return;
  }
  let good;
  if (name === "Contract") {
    // A key that was taken away after the contract's tick leaves it where it is.
    const begin = message.first_slot;
    const from = first < begin ? first : begin;
    good = [message.seller, message.buyer].every((account, n) => ring.holds(account, signers[n], ROLE.CONTRACT, from, begin));
  } else if (name === "Reading" && message.quality === 2n) {
    good = holds(trust.operator, ROLE.SETTLE, first, last);
  } else if (name === "Reading") {
    good = [trust.operator, message.account].some((owner) => holds(owner, ROLE.METER, slot, slot));
  } else if (name === "DrEvent" || (name === "Cancel" && message.order_id === proof.event)) {
    const program = name === "DrEvent" ? message.program : message.account;
    good = holds(program, ROLE.TRADE, first, last) || holds(trust.operator, ROLE.MARKET, first, last);
  } else if (name === "DrCommit" && message.account === trust.operator) {
    good = holds(trust.operator, ROLE.MARKET, first, last);
  } else {
    // A key taken away after this tick leaves the message where it is; a contract's key may end one.
    const roles = name === "Cancel" ? [ROLE.TRADE, ROLE.CONTRACT] : [ROLE.TRADE];
    good = roles.some((role) => holds(message.account, role, first < slot ? first : slot, slot));
  }
  proof.require(good, "key role", `${name}: ${signers[0]} has no valid role`);
}

// The operator's promise, well signed.
export function takeReceipt(proof, found) {
  const entry = proof.takeEntry(unsalted(found), ["Receipt"]);
  const good = proof.ring.holds(proof.trust.operator, entry.signers[0], ROLE.MARKET, 0n, entry.message.sealed_by);
  proof.require(good, "key role", "Receipt: not by a MARKET key of the operator");
  return entry.message;
}

function proveReceipt(proof, entry) {
  proof.part = "receipt";
  const { receipt, set } = proof.found;
  if (receipt === null) return;
  const message = takeReceipt(proof, receipt);
  proof.require(message.entry === entry.digest, "receipt", "of another entry");
  const tick = set ? readNumber(set.entry.message.tick) : message.sealed_by;
  proof.require(tick <= message.sealed_by, "receipt", "sealed later than promised");
}

function proveDisplay(proof, { name, message }) {
  proof.part = "display";
  const wanted = displayOf(name, message);
  const there = readKeys(proof.found.display, Object.keys(wanted));
  proof.require(Object.keys(wanted).every((field) => there[field] === wanted[field]), "display", "other than the message");
}

// A transfer, which its Settlement covers.
function proveTransfer(proof, found) {
  readKeys(found, [...UNSALTED, "salt"]);
  const [message, hashed] = typed("Transfer", found.message);
  proof.require(Array.isArray(found.signatures) && !found.signatures.length, "signature", "a transfer has none of its own");
  const digest = digestOf(proof.trust.prefix, hashed);
  const leaf = leafHash(Uint8Array.of(1, TYPES.Transfer.code), unhex(readHex(found.salt, 32)), digest);
  proof.part = "set";
  const part = readKeys(proof.found.set, ["entry", "index", "size", "path"]);
  const entry = proof.takeEntry(part.entry, ["Settlement"]);
  proof.requireOperator(entry, entry.message.slot, proof.head.tick);
  proof.requireInSet(leaf, part, entry.message.transfers, entry.message.transfers_root);
  const fits = message.slot === entry.message.slot && message.version === entry.message.version;
  proof.require(fits, "path in set", "a transfer of another settlement");
  proof.part = "log";
  proof.requireLogged(entry.leaf, proof.found.log);
  proof.part = "receipt";
  proof.require(proof.found.receipt === null, "receipt", "a transfer has none");
  proveDisplay(proof, { name: "Transfer", message });
  proof.entry = { name: "Transfer", message, digest: hex(digest) };
}

// The tick of the set that holds the entry, or of the log itself.
function proveInSet(proof, entry, kind) {
  proof.part = "set";
  const part = readKeys(proof.found.set, ["entry", "index", "size", "path"]);
  const sealed = proof.takeEntry(part.entry, ["SealedSet"]);
  const { message } = sealed;
  proof.require(message.kind === kind, "path in set", "a set of another kind");
  proof.requireOperator(sealed, message.tick, message.tick);
  proof.requireInSet(entry.leaf, part, message.count, message.root);
  proof.part = "log";
  proof.requireLogged(sealed.leaf, proof.found.log);
  return message.tick;
}

export function proveInclusion(proof) {
  proof.part = "entry";
  const { found } = proof;
  if (isObject(found.entry) && found.entry.type === "Transfer") {
    proveTransfer(proof, found.entry);
    return;
  }
  proveEntry(proof, proof.takeEntry(found.entry, LOGGED));
}

// What of an automatic order is not within its instruction, empty where all is.
function beyond(signed, order) {
  const limits = { 1: signed.buy_up_to_mkrw_per_kwh, 2: signed.sell_from_mkrw_per_kwh };
  const { side, e_wh: wh, price_mkrw_per_kwh: price } = order;
  if (order.account !== signed.account) return "another account";
  if (order.slot < signed.first_slot || order.slot >= signed.end_slot) return "outside the signed slots";
  if (!(side in limits) || !(signed.sides & side)) return `side ${side} was not signed`;
  if (price !== limits[side]) return `price ${price}, signed ${limits[side]}`;
  if (wh < 1n || wh > signed.day_cap_wh) return `${wh} Wh, signed ${signed.day_cap_wh}`;
  const worst = wh * price * (side === 1n ? 1n : -1n);
  return worst > 0n && worst > signed.day_cap_ukrw ? `${worst} micro-won, signed ${signed.day_cap_ukrw}` : "";
}

// An automatic order is in the books, and within the instruction that its account has signed.
export function proveAutomatic(proof) {
  proof.part = "entry";
  const order = proof.takeEntry(proof.found.entry, ["AutoOrder"]);
  proveEntry(proof, order);
  proof.part = "instruction";
  const signed = proof.takeEntry(unsalted(proof.found.instruction), ["StandingInstruction"]);
  proof.require(signed.digest === order.message.instruction, "automatic order", "made from another instruction");
  const { account, first_slot: first } = signed.message, { slot } = order.message;
  requireSigner(proof, signed, first, slot);
  proof.require(proof.ring.holds(account, signed.signers[0], ROLE.TRADE, slot, slot), "key role", "a key that had ended by the slot");
  const fault = beyond(signed.message, order.message);
  proof.require(!fault, "automatic order", fault);
  proof.entry = { ...order, isKept: isKept(proof, signed) };
}

// The end of an event of demand response before it began, by its programme or the operator.
export function proveCancelledEvent(proof) {
  proof.part = "event";
  const event = proof.takeEntry(unsalted(proof.found.event), ["DrEvent"]);
  requireSigner(proof, event, 0n, proof.head.tick);
  proof.part = "entry";
  proof.event = event.digest;
  const cancel = proof.takeEntry(proof.found.entry, ["Cancel"]);
  const { order_id: id, account } = cancel.message;
  const same = id === event.digest && account === event.message.program;
  proof.require(same, "event", "the cancellation of another event, or of another programme");
  proveEntry(proof, cancel);
  const tick = readNumber(proof.found.set.entry.message.tick);
  proof.require(tick <= event.message.first_slot, "event", "cancelled after it had begun");
}

// Whether the operator holds the key that signed for the account, as the key's registration says.
function isKept({ ring }, { message: { account }, signers }) {
  return account !== undefined && ring.of(account).some((key) => key.address === signers[0] && (key.roles & ROLE.KEPT) !== 0n);
}

function proveEntry(proof, entry) {
  const { found } = proof;
  const kind = SET_OF[entry.name];
  let [first, last] = [entry.message.slot ?? entry.message.tick ?? 0n, proof.head.tick];
  if (kind) {
    first = proveInSet(proof, entry, kind);
    last = first;
  } else {
    proof.part = "set";
    proof.require(found.set === null, "path in set", "an entry of the log itself");
    proof.part = "log";
    proof.requireLogged(entry.leaf, found.log);
  }
  proof.part = "entry";
  requireSigner(proof, entry, first, last);
  proveReceipt(proof, entry);
  proveDisplay(proof, entry);
  proof.entry = { ...entry, isKept: isKept(proof, entry) };
}

// The keys of all accounts, as the key entries taken so far have it; validity is judged at a slot.
export const ROLE = { TRADE: 1n, CONTRACT: 2n, METER: 4n, MARKET: 8n, SETTLE: 16n, LOG: 32n, REGISTRAR: 64n, KEPT: 128n };
export const OPERATOR_ROLE = {
  Clearing: ROLE.MARKET, Settlement: ROLE.SETTLE, Correction: ROLE.SETTLE, Bill: ROLE.SETTLE,
  Rules: ROLE.MARKET, SealedSet: ROLE.LOG, Checkpoint: ROLE.LOG, Anchor: ROLE.LOG,
};

const ENDS_WITHIN_S = 86_400n;

export function makeKeyRing(registrar, operator) {
  const keys = new Map();
  const of = (account) => keys.get(account) ?? [];
  // Whether the key is valid for the account and role in some slot of first..last.
  const holds = (account, address, role, first, last) => of(account).some((key) => key.address === address
    && (key.roles & role) === role && key.from <= last && (key.end === null || first < key.end));

  function mayRegister(message, signers, since, last, isFirst) {
    const own = isFirst && message.key === registrar && message.account === operator
      && signers[1] === registrar && Boolean(message.roles & ROLE.REGISTRAR);
    return signers[0] === message.key && (own || holds(operator, signers[1], ROLE.REGISTRAR, since, last));
  }

  // The tick of a change is one of the day before it takes effect: a key that was about to end may
  // have ended another for a slot when it was no more.
  function mayChange(name, message, signers, isFirst) {
    const last = message.from_slot, since = last > ENDS_WITHIN_S ? last - ENDS_WITHIN_S : 0n;
    if (name === "KeyRegister") return mayRegister(message, signers, since, last, isFirst);
    const own = holds(message.account, signers[0], 0n, since, last);
    if (name === "KeyRotate") return own && signers[0] === message.old_key && signers[1] === message.new_key;
    return own || holds(operator, signers[0], ROLE.REGISTRAR, since, last);
  }

  function give(account, address, roles, from) {
    keys.set(account, [...of(account), { address, roles, from, end: null }]);
  }

  function take(name, message) {
    const { account, from_slot: slot } = message;
    if (name === "KeyRegister") {
      give(account, message.key, message.roles, slot);
      return;
    }
    const address = name === "KeyRotate" ? message.old_key : message.key;
    for (const key of [...of(account)]) {
      if (key.address !== address || key.end !== null) continue;
      key.end = slot;
      if (name === "KeyRotate") give(account, message.new_key, key.roles, slot);
    }
  }

  return { of, holds, mayChange, give, take, isEmpty: () => keys.size === 0 };
}

// A bundle against a trust root: what holds, or the first rule that is broken. Nothing is fetched.
import { ascii, canonical, hex, readKeys, readObject, Refuted, Unusable } from "./bytes.js";
import { CLAIM_KEYS, CLAIMS } from "./claims.js";
import { keccak256 } from "./keccak.js";
import { readTrust } from "./note.js";
import { makeProof } from "./proof.js";

const COMMON = ["bundle", "claim", "market", "domain", "checkpoint", "cosignatures"];
// Long ones, which the offline verifier checks.
export const ELSEWHERE = ["slot", "clearing", "bill", "anchor"];

function run(proof) {
  const { found, trust } = proof;
  readKeys(found, [...COMMON, ...CLAIM_KEYS[found.claim]]);
  if (found.bundle !== "microgrid-proof/1") throw new Unusable(`bundle ${found.bundle}, allowed microgrid-proof/1`);
  proof.part = "domain";
  const same = found.market === trust.market && canonical(found.domain) === canonical(trust.domain);
  proof.require(same, "domain", `found ${found.market}, not the trusted market`);
  proof.takeFrame();
  CLAIMS[found.claim](proof);
}

function failed(error, proof, part) {
  if (error instanceof Refuted) return { ok: false, usable: true, failure: { check: error.check, message: error.message } };
  // Nested deeper than this engine can follow.
  if (error instanceof RangeError) return { ok: false, usable: false, failure: { check: "readable", message: error.message } };
  if (!(error instanceof Unusable)) throw error;
  const words = !part || error.message.startsWith(part) ? error.message : `${part}: ${error.message}`;
  return { ok: false, usable: false, failure: { check: "readable", message: words } };
}

// `trustText` and `bundleText` are the files as they are, decoded from UTF-8.
export function verifyBundle(trustText, bundleText) {
  let proof = null;
  let claim = null;
  const begun = performance.now();
  let report = { ok: true, usable: true, failure: null };
  try {
    const trust = readTrust(trustText);
    trust.originHash = hex(keccak256(ascii(trust.origin)));
    const found = readObject(bundleText);
    if (canonical(found) !== bundleText) {
      throw new Unusable("the bundle is not canonical: sorted keys, no spaces, nothing after it");
    }
    const known = typeof found.claim === "string" && Object.hasOwn(CLAIMS, found.claim);
    claim = known || ELSEWHERE.includes(found.claim) ? found.claim : null;
    if (ELSEWHERE.includes(claim)) return { ok: false, usable: true, elsewhere: true, claim, checks: new Map(), failure: null };
    if (claim === null) throw new Unusable(`claim ${found.claim}, allowed ${Object.keys(CLAIMS)}`);
    proof = makeProof(trust, found);
    run(proof);
  } catch (error) {
    report = failed(error, proof, proof?.part);
  }
  return {
    ...report, claim, elsewhere: false, checks: proof?.checks ?? new Map(),
    head: proof?.head ?? null, entry: proof?.entry ?? null, account: proof?.account ?? null,
    ms: performance.now() - begun,
  };
}

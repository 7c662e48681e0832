// Trees of RFC 6962: leaves, paths, growth. A path that is too short or too long leads nowhere.
import { hex, readHex, readList, unhex, Unusable } from "./bytes.js";
import { sha256 } from "./sha256.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafHash = (...parts) => sha256(LEAF, ...parts);
const above = (left, right) => sha256(NODE, left, right);

export const readPath = (found) => readList(found).map((one) => unhex(readHex(one, 32)));

// The root that a path leads to, or null.
export function rootByPath(leaf, index, size, path) {
  if (index < 0n || index >= size) return null;
  let [root, at, last, step] = [leaf, index, size - 1n, 0];
  for (; last; at >>= 1n, last >>= 1n) {
    if (!(at & 1n) && at >= last) continue;
    if (step === path.length) return null;
    root = at & 1n ? above(path[step], root) : above(root, path[step]);
    step += 1;
  }
  return step === path.length ? hex(root) : null;
}

// Whether the proof shows that the old tree is a beginning of the new one; roots as hex.
export function isConsistent(old, now, proof) {
  if (old.size <= 0n || old.size > now.size) return false;
  if (old.size === now.size) return !proof.length && old.root === now.root;
  const hashes = old.size & (old.size - 1n) ? proof : [unhex(old.root), ...proof];
  let [at, last] = [old.size - 1n, now.size - 1n];
  for (; at & 1n; at >>= 1n) last >>= 1n;
  if (!hashes.length) return false;
  let [before, after] = [hashes[0], hashes[0]];
  for (const beside of hashes.slice(1)) {
    if (!last) return false;
    if (at & 1n || at === last) {
      before = above(beside, before);
      after = above(beside, after);
      for (; at && !(at & 1n); at >>= 1n) last >>= 1n;
    } else {
      after = above(after, beside);
    }
    at >>= 1n;
    last >>= 1n;
  }
  return !last && hex(before) === old.root && hex(after) === now.root;
}

// The root above a leaf of the accounts tree, by hashes that stand to its left or right.
export function climb(leaf, path) {
  return hex(readList(path).reduce((root, step) => {
    if (!Array.isArray(step) || step.length !== 2 || !["left", "right"].includes(step[0])) {
      throw new Unusable("a step of a path is not a side and a hash");
    }
    const beside = unhex(readHex(step[1], 32));
    return step[0] === "left" ? above(beside, root) : above(root, beside);
  }, leaf));
}

export const chained = (head, digest) => sha256(Uint8Array.of(2), head, digest);

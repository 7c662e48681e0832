// Who has signed: public-key recovery on secp256k1, of signatures in their one canonical form.
import { bigEndian, fromBigEndian, hex, joined } from "./bytes.js";
import { keccak256 } from "./keccak.js";

const P = 2n ** 256n - 2n ** 32n - 977n;
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const G = [
  0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
  1n,
];
const NEUTRAL = [0n, 1n, 0n]; // Jacobian: x / z^2, y / z^3; z = 0 is the neutral point

const mod = (value, by) => ((value % by) + by) % by;

function power(base, exponent, by) {
  let found = 1n;
  for (const bit of exponent.toString(2)) {
    found = found * found % by;
    if (bit === "1") found = found * base % by;
  }
  return found;
}

function inverse(value, by) {
  let [a, b, x, y] = [mod(value, by), by, 1n, 0n];
  while (b) {
    const times = a / b;
    [a, b, x, y] = [b, a - times * b, y, x - times * y];
  }
  return mod(x, by);
}

function twice([x, y, z]) {
  const square = y * y % P;
  const s = 4n * x * square % P;
  const m = 3n * x * x % P;
  const x3 = (m * m - 2n * s) % P;
  return [x3, (m * (s - x3) - 8n * square * square) % P, 2n * y * z % P];
}

function add(p, q) {
  if (!p[2]) return q;
  if (!q[2]) return p;
  const [z1, z2] = [p[2] * p[2] % P, q[2] * q[2] % P];
  const [u1, u2] = [p[0] * z2 % P, q[0] * z1 % P];
  const [s1, s2] = [p[1] * z2 * q[2] % P, q[1] * z1 * p[2] % P];
  const h = mod(u2 - u1, P);
  const r = mod(s2 - s1, P);
  if (!h) return r ? NEUTRAL : twice(p);
  const h2 = h * h % P;
  const [h3, v] = [h * h2 % P, u1 * h2 % P];
  const x3 = (r * r - h3 - 2n * v) % P;
  return [x3, (r * (v - x3) - s1 * h3) % P, h * p[2] % P * q[2] % P];
}

export function isCanonical(signature) {
  if (signature.length !== 65 || (signature[64] !== 27 && signature[64] !== 28)) return false;
  const [r, s] = [fromBigEndian(signature.slice(0, 32)), fromBigEndian(signature.slice(32, 64))];
  return r > 0n && r < N && s > 0n && s <= N / 2n;
}

// The signer's address, or null where the form is not canonical or no key fits.
export function recover(digest, signature) {
  if (!isCanonical(signature)) return null;
  const [r, s] = [fromBigEndian(signature.slice(0, 32)), fromBigEndian(signature.slice(32, 64))];
  const square = (r * r % P * r + 7n) % P;
  let y = power(square, (P + 1n) / 4n, P);
  if (y * y % P !== square) return null;
  if (Number(y & 1n) !== signature[64] - 27) y = P - y;
  const inverted = inverse(r, N);
  const u1 = mod(-fromBigEndian(digest) * inverted, N);
  const u2 = s * inverted % N;
  // Two bits of both numbers at a time: the table has n times G plus m times R at n + 4 m.
  const table = [NEUTRAL, G, twice(G), add(twice(G), G)];
  for (let m = 0; m < 3; m += 1) table.push(...table.slice(-4).map((one) => add(one, [r, y, 1n])));
  let point = NEUTRAL;
  const digits = (value) => value.toString(4).padStart(128, "0");
  const [left, right] = [digits(u1), digits(u2)];
  for (let n = 0; n < 128; n += 1) {
    point = add(twice(twice(point)), table[Number(left[n]) + 4 * Number(right[n])]);
  }
  if (!point[2]) return null;
  const z = inverse(point[2], P);
  const z2 = z * z % P;
  const [x, high] = [mod(point[0] * z2, P), mod(point[1] * z2 % P * z, P)];
  return hex(keccak256(joined(bigEndian(x, 32), bigEndian(high, 32))).slice(12));
}

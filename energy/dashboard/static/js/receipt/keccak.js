// Keccak-256 as the chain has it (padding 0x01, not SHA-3's), on halves of 32 bits.
const ROUNDS = Uint32Array.from([ // low half, high half
  0x00000001, 0, 0x00008082, 0, 0x0000808a, 0x80000000, 0x80008000, 0x80000000,
  0x0000808b, 0, 0x80000001, 0, 0x80008081, 0x80000000, 0x00008009, 0x80000000,
  0x0000008a, 0, 0x00000088, 0, 0x80008009, 0, 0x8000000a, 0,
  0x8000808b, 0, 0x0000008b, 0x80000000, 0x00008089, 0x80000000, 0x00008003, 0x80000000,
  0x00008002, 0x80000000, 0x00000080, 0x80000000, 0x0000800a, 0, 0x8000000a, 0x80000000,
  0x80008081, 0x80000000, 0x00008080, 0x80000000, 0x80000001, 0, 0x80008008, 0x80000000,
]);
const TURNS = [0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14];
const GOES_TO = TURNS.map((_, n) => Math.floor(n / 5) + 5 * ((2 * (n % 5) + 3 * Math.floor(n / 5)) % 5));
const RATE = 136;
const b = new Uint32Array(50);
const c = new Uint32Array(10);

function permute(a) {
  for (let round = 0; round < 48; round += 2) {
    for (let x = 0; x < 10; x += 1) c[x] = a[x] ^ a[x + 10] ^ a[x + 20] ^ a[x + 30] ^ a[x + 40];
    for (let x = 0; x < 5; x += 1) {
      const before = 2 * ((x + 4) % 5);
      const after = 2 * ((x + 1) % 5);
      const low = c[before] ^ (c[after] << 1 | c[after + 1] >>> 31);
      const high = c[before + 1] ^ (c[after + 1] << 1 | c[after] >>> 31);
      for (let at = 2 * x; at < 50; at += 10) {
        a[at] ^= low;
        a[at + 1] ^= high;
      }
    }
    for (let n = 0; n < 25; n += 1) {
      const turn = TURNS[n] % 32;
      const swapped = TURNS[n] >= 32 ? 1 : 0;
      const low = a[2 * n + swapped];
      const high = a[2 * n + 1 - swapped];
      const to = 2 * GOES_TO[n];
      b[to] = turn ? low << turn | high >>> (32 - turn) : low;
      b[to + 1] = turn ? high << turn | low >>> (32 - turn) : high;
    }
    for (let y = 0; y < 50; y += 10) {
      for (let x = 0; x < 10; x += 1) a[y + x] = b[y + x] ^ (~b[y + (x + 2) % 10] & b[y + (x + 4) % 10]);
    }
    a[0] ^= ROUNDS[round];
    a[1] ^= ROUNDS[round + 1];
  }
}

export function keccak256(data) {
  const state = new Uint32Array(50);
  const blocks = Math.floor(data.length / RATE) + 1;
  const padded = new Uint8Array(blocks * RATE);
  padded.set(data);
  padded[data.length] ^= 0x01;
  padded[padded.length - 1] ^= 0x80;
  const words = new DataView(padded.buffer);
  for (let block = 0; block < padded.length; block += RATE) {
    for (let at = 0; at < RATE; at += 4) state[at / 4] ^= words.getUint32(block + at, true);
    permute(state);
  }
  const found = new DataView(new ArrayBuffer(32));
  for (let n = 0; n < 8; n += 1) found.setUint32(4 * n, state[n], true);
  return new Uint8Array(found.buffer);
}

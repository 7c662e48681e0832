// EIP-712 of this market's types, strictly read: a field more or less, or another form, is an error.
import { ascii, bigEndian, hex, joined, readHex, readKeys, readList, readNumber, Refuted, unhex, Unusable } from "./bytes.js";
import { keccak256 } from "./keccak.js";

const TEXT = `
1 Order(bytes32 account,uint32 zone,uint64 slot,uint8 side,uint64 e_wh,int64 price_mkrw_per_kwh,uint8 label,uint64 premium_mkrw_per_kwh,uint64 expires,bytes32 replaces,uint32 rules_version,uint64 nonce)
2 Cancel(bytes32 account,uint64 slot,bytes32 order_id,uint64 nonce)
3 Contract(bytes32 seller,bytes32 buyer,uint8 kind,uint64 first_slot,uint64 end_slot,uint64 cap_wh,uint32 share_ppm,int64 price_mkrw_per_kwh,uint8 rank,bytes32 terms,uint64 nonce)
4 DrEvent(bytes32 program,uint64 first_slot,uint16 slots,uint8 baseline,uint64 reward_mkrw_per_kwh,uint64 penalty_mkrw_per_kwh,uint64 answer_by,uint64 nonce)
5 DrCommit(bytes32 account,bytes32 event_id,uint64 e_wh_per_slot,uint64 nonce)
6 Reading(bytes32 account,bytes32 meter,uint64 slot,uint64 import_wh,uint64 export_wh,uint64 import_register_wh,uint64 export_register_wh,uint8 quality,uint32 revision)
7 Clearing(uint64 slot,uint8 label,uint32 round,uint32 rules_version,uint32 network_version,bytes32 engine,bytes32 plan,uint32 orders,bytes32 book_root,bytes32 fills_root,uint64 volume_wh,int128 welfare_ukrw,NodeResult[] nodes,LinkResult[] links)
0 LinkResult(uint32 from_node,uint32 to_node,uint64 flow_wh,uint64 capacity_wh,uint64 fee_mkrw_per_kwh)
0 NodeResult(uint32 node,uint8 outcome,uint8 flags,int64 low_mkrw_per_kwh,int64 high_mkrw_per_kwh,int64 price_mkrw_per_kwh,uint64 bought_wh,uint64 sold_wh,int64 margin_mkrw_per_kwh,uint64 margin_open_wh,uint64 margin_filled_wh)
8 Transfer(uint16 ledger,uint8 kind,uint16 code,bytes32 debit,bytes32 credit,uint128 amount,uint64 slot,uint32 version,bytes32 pending,bytes32 cause,bytes32 link)
9 Settlement(uint8 scope,uint64 slot,uint32 version,bytes32 previous,bytes32 clearing,bytes32 readings_root,bytes32 transfers_root,uint32 transfers,uint32 rules_version)
10 Correction(uint64 slot,uint32 from_version,uint32 to_version,uint8 reason,bytes32 evidence,uint64 nonce)
11 Bill(bytes32 account,uint64 first_slot,uint64 end_slot,uint32 version,uint32 tariff_version,bytes32 lines_root,int64 total_krw,uint32 rounding_ukrw)
12 Rules(uint8 kind,uint32 version,uint64 from_slot,bytes32 content)
13 SealedSet(uint8 kind,uint64 tick,uint32 count,bytes32 root)
14 Receipt(bytes32 entry,uint64 received,uint64 sealed_by)
15 Checkpoint(bytes32 origin,uint64 tick,uint64 size,bytes32 root,bytes32 accounts_root,bytes32 previous)
16 Cosign(bytes32 checkpoint,uint64 time)
17 Anchor(bytes32 checkpoint,uint64 chain_id,bytes32 transaction)
18 StandingInstruction(bytes32 account,uint8 sides,int64 sell_from_mkrw_per_kwh,int64 buy_up_to_mkrw_per_kwh,uint64 day_cap_wh,uint64 day_cap_ukrw,uint64 first_slot,uint64 end_slot,uint32 rules_version,bytes32 replaces,uint64 nonce)
19 AutoOrder(bytes32 account,bytes32 instruction,uint64 day,uint32 zone,uint64 slot,uint8 side,uint64 e_wh,int64 price_mkrw_per_kwh)
20 KeyRegister(bytes32 account,address key,uint16 roles,uint64 from_slot,uint64 nonce)
21 KeyRotate(bytes32 account,address old_key,address new_key,uint64 from_slot,uint64 nonce)
22 KeyRevoke(bytes32 account,address key,uint64 from_slot,uint8 reason,uint64 nonce)`;

function readTypes() {
  const texts = Object.fromEntries([...TEXT.matchAll(/(\d+) ((\w+)\(([^)]*)\))/g)].map((match) => [match[3], match]));
  return Object.fromEntries(Object.entries(texts).map(([name, [, code, text, , inside]]) => {
    const fields = inside.split(",").map((field) => field.split(" ").reverse());
    const inner = fields.map(([, kind]) => kind).filter((kind) => kind.endsWith("[]")).map((kind) => kind.slice(0, -2)).sort();
    const whole = text + inner.map((child) => texts[child][2]).join("");
    return [name, { code: Number(code), fields, hash: keccak256(ascii(whole)) }];
  }));
}

export const TYPES = readTypes();

// The value of a field (whole numbers as BigInt, bytes as their hex) and its 32 bytes.
function word(kind, text) {
  if (kind === "bytes32") return [readHex(text, 32), unhex(text)];
  if (kind === "address") return [readHex(text, 20), joined(new Uint8Array(12), unhex(text))];
  const number = readNumber(text);
  const signed = kind.startsWith("i");
  const bits = BigInt(kind.replace(/\D/g, ""));
  const [low, high] = signed ? [-(2n ** (bits - 1n)), 2n ** (bits - 1n)] : [0n, 2n ** bits];
  if (number < low || number >= high) throw new Unusable(`${number} does not fit ${kind}`);
  return [number, bigEndian(number, 32)];
}

// A message and its `hashStruct`.
export function typed(name, found) {
  const type = TYPES[name];
  const texts = readKeys(found, type.fields.map(([field]) => field));
  const message = {};
  const words = [type.hash];
  for (const [field, kind] of type.fields) {
    if (kind.endsWith("[]")) {
      const rows = readList(texts[field]).map((row) => typed(kind.slice(0, -2), row));
      message[field] = rows.map(([row]) => row);
      words.push(keccak256(joined(...rows.map(([, hashed]) => hashed))));
    } else {
      const [value, raw] = word(kind, texts[field]);
      message[field] = value;
      words.push(raw);
    }
  }
  return [message, keccak256(joined(...words))];
}

export const digestOf = (prefix, hashed) => keccak256(joined(prefix, hashed));

// What stands before every `hashStruct`: 0x1901 and the market's domain separator.
export function prefixOf(market, found) {
  const fields = readKeys(found, ["name", "version", "chainId", "salt"]);
  const kind = "EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)";
  if (fields.name !== "Microgrid Market" || fields.version !== "1") {
    throw new Unusable(`domain ${fields.name} version ${fields.version} is unknown`);
  }
  const salt = keccak256(ascii(market));
  if (readHex(fields.salt, 32) !== hex(salt)) throw new Refuted("domain", `salt ${fields.salt} is not that of market ${market}`);
  const chain = readNumber(fields.chainId);
  if (chain < 0n || chain >= 2n ** 256n) throw new Unusable(`chainId ${chain} does not fit uint256`);
  const texts = [kind, "Microgrid Market", "1"].map((text) => keccak256(ascii(text)));
  return joined(Uint8Array.of(0x19, 0x01), keccak256(joined(...texts, bigEndian(chain, 32), salt)));
}

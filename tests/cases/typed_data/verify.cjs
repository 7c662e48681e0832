// Digests and signers of every vector, computed by ethers alone.
const fs = require("fs");
const { TypedDataEncoder, verifyTypedData } = require("ethers");

const { domain, types, vectors } = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const inner = { Clearing: ["NodeResult", "LinkResult"] };
let wrong = 0;
for (const { type, message, digest, signer, signature } of vectors) {
  const used = Object.fromEntries([type, ...(inner[type] || [])].map((name) => [name, types[name]]));
  const same = TypedDataEncoder.hash(domain, used, message) === digest;
  const by = verifyTypedData(domain, used, message, signature).toLowerCase();
  if (!same || by !== signer) {
    wrong += 1;
    console.log(`${type}: digest ${same ? "agrees" : "differs"}, signed by ${by}`);
  }
}
console.log(`${vectors.length - wrong} of ${vectors.length} agree`);
process.exit(wrong ? 1 : 0);

// Digests, signers and signatures of every vector, computed by ethers alone.
const fs = require("fs");
const { TypedDataEncoder, Wallet, verifyTypedData } = require("ethers");

const { domain, types, vectors } = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));

// A type and all that it is made of.
function used(name, found = {}) {
  found[name] = types[name];
  for (const { type } of types[name]) {
    const inner = type.replace("[]", "");
    if (types[inner] && !found[inner]) used(inner, found);
  }
  return found;
}

async function faultOf({ type, message, digest, signer, signature, key }) {
  if (TypedDataEncoder.hash(domain, used(type), message) !== digest) return "digest differs";
  const by = verifyTypedData(domain, used(type), message, signature).toLowerCase();
  if (by !== signer) return `signed by ${by}`;
  if (key && (await new Wallet(key).signTypedData(domain, used(type), message)) !== signature) {
    return "signs to other bytes";
  }
  return null;
}

(async () => {
  let wrong = 0;
  for (const vector of vectors) {
    const fault = await faultOf(vector);
    if (fault) {
      wrong += 1;
      console.log(`${vector.type}: ${fault}`);
    }
  }
  console.log(`${vectors.length - wrong} of ${vectors.length} agree`);
  process.exit(wrong ? 1 : 0);
})();

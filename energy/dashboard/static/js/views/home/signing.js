// A message of the market: typed and signed in the wallet; and what went wrong as a sentence.
import { ApiError } from "../../api.js";
import { problemNodes } from "../../problem.js";
import { TYPES } from "../../receipt/typed.js";
import { chooseAccount, signTyped, WalletError } from "../../wallet.js";

const DOMAIN = [["name", "string"], ["version", "string"], ["chainId", "uint256"], ["salt", "bytes32"]];
export const NO_ORDER = `0x${"00".repeat(32)}`;

const fieldsOf = (pairs) => pairs.map(([name, type]) => ({ name, type }));

export function typedData(name, message, domain) {
  return {
    types: { EIP712Domain: fieldsOf(DOMAIN), [name]: fieldsOf(TYPES[name].fields) },
    domain: { ...domain, chainId: Number(domain.chainId) }, primaryType: name, message,
  };
}

// Never the same twice from one browser: the time in microseconds, its last digits by chance.
export const newNonce = () => String(BigInt(Date.now()) * 1000n + BigInt(Math.floor(Math.random() * 1000)));

export async function signMessage(provider, name, message, domain) {
  const signer = await chooseAccount(provider);
  const signature = await signTyped(provider, typedData(name, message, domain), signer);
  return { type: name, message, signatures: [{ signer, signature }] };
}

// The nodes of a sentence.
export function troubleNodes(error, words) {
  if (error instanceof WalletError) {
    const own = `home.wallet.${error.reason}`;
    return [words(words.has(own) ? own : `sign_in.wallet.${error.reason}`, { what: error.message })];
  }
  if (!(error instanceof ApiError)) throw error;
  const own = `home.refused.${error.code}`;
  if (words.has(own)) return [words(own)];
  return problemNodes(error, words);
}

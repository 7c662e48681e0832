// Wallets in the browser (EIP-1193), found by their announcements (EIP-6963). The key stays there.
const FIND_MS = 250;
const ANSWER_MS = 120_000;
const REASONS = { 4001: "refused", 4100: "locked", "-32002": "open" };

// `reason`: none, locked, refused, open, silent, chain or failed; the message is the wallet's own.
export class WalletError extends Error {
  constructor(reason, what = "") {
    super(what || reason);
    this.reason = reason;
  }
}

// All wallets of this browser: {name, provider}; one that announces nothing is still found.
export function findWallets() {
  const found = new Map();
  const hear = ({ detail }) => { if (detail?.provider) found.set(detail.info?.uuid ?? detail.provider, { name: String(detail.info?.name ?? ""), provider: detail.provider }); };
  addEventListener("eip6963:announceProvider", hear);
  dispatchEvent(new Event("eip6963:requestProvider"));
  return new Promise((resolve) => {
    setTimeout(() => {
      removeEventListener("eip6963:announceProvider", hear);
      if (!found.size && window.ethereum) found.set("window", { name: "", provider: window.ethereum });
      resolve([...found.values()]);
    }, FIND_MS);
  });
}

// The first wallet's provider, null where there is none.
export const findWallet = async () => (await findWallets())[0]?.provider ?? null;

// The address that the wallet signs with, lower case.
export async function chooseAccount(provider) {
  const accounts = await ask(provider, "eth_requestAccounts");
  const address = String(accounts?.[0] ?? "").toLowerCase();
  if (!/^0x[0-9a-f]{40}$/.test(address)) throw new WalletError("locked");
  return address;
}

export async function signText(provider, text, address) {
  const bytes = [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0"));
  return signature(await ask(provider, "personal_sign", [`0x${bytes.join("")}`, address]));
}

// Some wallets sign typed data for no other chain than the one they are on.
export async function signTyped(provider, data, address) {
  try {
    return signature(await ask(provider, "eth_signTypedData_v4", [address, JSON.stringify(data)]));
  } catch (error) {
    if (!(error instanceof WalletError) || error.reason !== "failed") throw error;
    const on = BigInt(await ask(provider, "eth_chainId"));
    if (on !== BigInt(data.domain.chainId)) throw new WalletError("chain", String(on));
    throw error;
  }
}

function signature(found) {
  if (!/^0x[0-9a-fA-F]{130}$/.test(found)) throw new WalletError("failed", "signature");
  return found.toLowerCase();
}

async function ask(provider, method, params = []) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new WalletError("silent")), ANSWER_MS); });
  try {
    return await Promise.race([provider.request({ method, params }), late]);
  } catch (error) {
    if (error instanceof WalletError) throw error;
    throw new WalletError(REASONS[error?.code] ?? "failed", String(error?.message ?? error));
  } finally {
    clearTimeout(timer);
  }
}

// Signing in and out by wallet (ERC-4361); the session is a cookie that no script can read.
import { fetchJson, postJson } from "./api.js";
import { chooseAccount, signText } from "./wallet.js";

const channel = window.BroadcastChannel ? new BroadcastChannel("microgrid-session") : null;

export const readSession = () => fetchJson("/v1/session");

export async function signIn(provider) {
  const address = await chooseAccount(provider);
  const { message } = await postJson("/v1/session/nonce", { address });
  const signature = await signText(provider, message, address);
  const session = await postJson("/v1/session/wallet", { message, signature });
  channel?.postMessage("in");
  return session;
}

export async function signOut() {
  await postJson("/v1/session/end");
  channel?.postMessage("out");
}

export async function signOutEverywhere() {
  await postJson("/v1/session/end-all");
  channel?.postMessage("out");
}

// What another tab does with the session, this one does too.
export const followSession = (changed) => { if (channel) channel.onmessage = changed; };

// The key that the company keeps for this home: what it is, another one, or one's own wallet.
import { postJson } from "../../api.js";
import { h, setText } from "../../dom.js";
import { chooseAccount, findWallets } from "../../wallet.js";
import { block } from "../operator/block.js";
import { withCode } from "./signer.js";
import { newNonce, signMessage, troubleNodes } from "./signing.js";

const OWN_ROLES = "3";
const READ_MS = 4000;

export function keyBlock(ctx) {
  const pick = ({ prices }) => { if (prices instanceof Error) throw prices; return prices; };
  return block({ ctx, id: "key", span: 12, title: "home.key", pick, empty: () => "", make: (body) => makeKey(body, ctx) });
}

function makeKey(body, ctx) {
  const { words, format, session: { kept_key: key } } = ctx;
  let prices = null;
  const told = h("p", { class: "told", id: "key-told", role: "status" });
  const button = (id, act) => h("button", { type: "button", id, onclick: () => run(act) }, words(`home.key.${id.slice(4)}`));
  const buttons = [button("key-wallet", takeOver), button("key-renew", renew)];
  body.append(
    h("p", null, words("home.key.about", { time: format.dateTime(Date.parse(key.since_utc)) })),
    h("p", { class: "small" }, words("home.key.address"), " ", h("code", null, key.address)),
    h("p", { class: "small" }, words("home.key.ends")),
    h("p", { class: "answers" }, buttons.flatMap((one) => [one, " "])), told);

  async function run(act) {
    for (const one of buttons) one.disabled = true;
    try {
      const changed = await act();
      if (!changed) return;
      setText(told, words(changed.says, { time: format.dateTime(Date.parse(changed.from_utc)), address: changed.address }));
      // Who signs is another from now on, everywhere on the page.
      setTimeout(() => location.reload(), READ_MS);
    } catch (error) {
      told.replaceChildren(...troubleNodes(error, words));
    } finally {
      for (const one of buttons) one.disabled = false;
    }
  }

  async function takeOver() {
    const [wallet] = await findWallets();
    if (!wallet) { setText(told, words("home.key.no_wallet")); return null; }
    setText(told, words("home.wallet.asking"));
    const message = {
      account: ctx.account, key: await chooseAccount(wallet.provider), roles: OWN_ROLES,
      from_slot: String(Date.parse(prices.open.first_slot_utc) / 1000), nonce: newNonce(),
    };
    const { signatures: [{ signature }] } = await signMessage(wallet.provider, "KeyRegister", message, prices.domain);
    const found = await withCode(words, () => postJson("/v1/me/key/hand-over", { message, signature }));
    return { ...found, says: "home.key.handed_over" };
  }

  async function renew() {
    return { ...await withCode(words, () => postJson("/v1/me/key/renew")), says: "home.key.renewed" };
  }

  return (found) => { prices = found; };
}

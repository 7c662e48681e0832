// Who signs in this session: the wallet in the browser, or the company with the key that it keeps.
import { ApiError, postJson } from "../../api.js";
import { field, h, setText } from "../../dom.js";
import { findWallets } from "../../wallet.js";
import { signMessage } from "./signing.js";

const SIGNED_FOR_ME = "/v1/me/signed";

// `prepare` gives what is sent, null where `told` says why not; sent again it is the same message.
const walletSigner = (words) => ({
  kept: false,
  label: words("home.trade.sign"),
  async prepare(type, message, domain, told) {
    const [wallet] = await findWallets();
    if (!wallet) { setText(told, words("home.wallet.none")); return null; }
    setText(told, words("home.wallet.asking"));
    return signMessage(wallet.provider, type, message, domain);
  },
  send: (path, envelope) => postJson(path, envelope),
});

const keptSigner = (words) => ({
  kept: true,
  label: words("home.kept.sign"),
  async prepare(type, message, domain, told) {
    setText(told, words("home.kept.asking"));
    return message;
  },
  send: (path, message) => withCode(words, () => postJson(path.replace("/v1", SIGNED_FOR_ME), message)),
});

// Nothing new is signed while the page is not live, for it rests on what the page shows; what is
// taken back does not.
export function makeSigner(session, words, state) {
  const signer = (session.kept_key ? keptSigner : walletSigner)(words);
  return { ...signer, async prepare(type, message, domain, told) {
    if (type !== "Cancel" && state.get("live") === "lost") { setText(told, words("live.off")); return null; }
    return signer.prepare(type, message, domain, told);
  } };
}

// One act at once; null where there is nobody to sign.
export async function signOnce({ signer }, told, { type, path, message, domain }) {
  const ready = await signer.prepare(type, message, domain, told);
  return ready === null ? null : signer.send(path, ready);
}

// Said at every act, so that nobody takes the company's hand for their own.
export const signerNote = ({ signer, words }) => (signer.kept ? h("p", { class: "small kept" }, words("home.kept.note")) : null);
export const signedMark = (by, words) => (by === "kept_key" ? h("p", { class: "small kept" }, words("home.kept.mark")) : null);

// What lasts beyond the moment wants a fresh code: it is asked for, and the act done again.
export async function withCode(words, act) {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "CODE_NEEDED" || !await askForCode(words)) throw error;
    return act();
  }
}

function askForCode(words) {
  let shown = false;
  const input = h("input", { id: "fresh-code", type: "text", inputmode: "numeric", autocomplete: "one-time-code", maxlength: 6 });
  const told = h("p", { class: "told", role: "alert" });
  const go = h("button", { type: "submit", class: "main" }, words("home.code.go"));
  const form = h("form", { class: "trade", novalidate: true, onsubmit: (event) => { event.preventDefault(); show(); } },
    h("h2", { id: "ask-code-title" }, words("home.code.title")), h("p", null, words("home.code.why")), field(input, words("home.code.field")),
    h("p", { class: "answers" }, go, " ", h("button", { type: "button", onclick: () => dialog.close() }, words("home.code.leave"))), told);
  const dialog = h("dialog", { class: "ask", id: "ask-code", "aria-labelledby": "ask-code-title" }, form);

  async function show() {
    go.disabled = true;
    try {
      await postJson("/v1/session/code", { code: input.value.trim() });
      shown = true;
      dialog.close();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const key = `home.code.${error.code}`;
      setText(told, words(words.has(key) ? key : "home.code.failed"));
    } finally {
      go.disabled = false;
    }
  }

  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => { dialog.remove(); resolve(shown); }));
}

// The page that signs people in: with a code, with a wallet, the demonstration; and invitations.
import { ApiError, postJson } from "../../api.js";
import { h, setText } from "../../dom.js";
import { readSession, signIn } from "../../session.js";
import { findWallet, WalletError } from "../../wallet.js";
import { attempt, card, CODE, inputOf, NEW_PASSWORD, PRESENT_PASSWORD, troubleNodes } from "./cards.js";
import { ownCards } from "./own_sign_in.js";

// Only our own screens are gone to, whatever the address says.
const SCREEN = /^\/(|plan|grid|market|ledger|forecasts|dr|assets|alarms|reports|settings|people|home)$/;

const wanted = () => {
  const to = new URLSearchParams(location.search).get("to");
  return SCREEN.test(to ?? "") ? to : null;
};

export async function openSignIn(words) {
  const grid = document.getElementById("grid");
  try {
    const who = await readSession();
    const signedIn = who.role !== "anonymous" && !who.is_demo;
    grid.append(...(signedIn ? ownCards(who, words, wanted() !== null) : signInCards(who, words)));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    grid.append(card("failed", words("sign_in.title_failed"), h("p", { class: "told" }, troubleNodes(error, words))));
  }
}

const INVITED = /^#invitation=([A-Za-z0-9_-]{43})$/;

const signInCards = (who, words) =>
  [INVITED.test(location.hash) ? invitedCard(words) : null, who.asks_sign_in ? null : demoCard(words), personCard(words), walletCard(words)].filter(Boolean);

function demoCard(words) {
  const told = h("p", { class: "told", role: "alert" });
  const go = h("button", { type: "button", onclick: () => attempt(told, go, words, async () => {
    await postJson("/v1/session/demo");
    leave("operator");
  }) }, words("sign_in.demo_go"));
  return card("demo", words("sign_in.demo"), h("p", { class: "small" }, words("sign_in.demo_about")), go, told);
}

function personCard(words) {
  const told = h("p", { class: "told", role: "alert" });
  const go = h("button", { type: "submit" }, words("sign_in.go"));
  const form = h("form", { class: "sign-in", onsubmit: (event) => {
    event.preventDefault();
    const { name, password, code } = Object.fromEntries(new FormData(form));
    attempt(told, go, words, async () => leave((await postJson("/v1/session/password", { name, password, code })).role));
  } },
  inputOf("name", words("sign_in.name"), { type: "text", autocomplete: "username", autocapitalize: "none", spellcheck: "false", maxlength: 40 }),
  inputOf("password", words("sign_in.password"), PRESENT_PASSWORD), inputOf("code", words("sign_in.code"), CODE), go);
  return card("person", words("sign_in.person"), form, told);
}

// A resident who is invited chooses a password and sees once what the code program reads.
function invitedCard(words) {
  const [, invitation] = location.hash.match(INVITED);
  const told = h("p", { class: "told", role: "alert" });
  const go = h("button", { type: "submit" }, words("sign_in.invited_go"));
  const field = (name) => inputOf(name, words(`sign_in.${name}`), NEW_PASSWORD);
  const form = h("form", { class: "sign-in", onsubmit: (event) => {
    event.preventDefault();
    const { chosen, chosen_again: again } = Object.fromEntries(new FormData(form));
    if (chosen !== again) { setText(told, words("sign_in.not_twice")); return; }
    attempt(told, go, words, async () => takeUp(await postJson("/v1/session/invitation", { invitation, password: chosen })));
  } }, field("chosen"), field("chosen_again"), go);
  const body = h("div", null, h("p", { class: "small" }, words("sign_in.invited_about")), form, told);

  function takeUp({ name, otpauth }) {
    // What is in the address bar opens nothing any more.
    history.replaceState(null, "", "/sign-in?to=/home");
    const secret = new URL(otpauth).searchParams.get("secret");
    document.getElementById("name").value = name;
    body.replaceChildren(h("p", { id: "taken-up", role: "status" }, words("sign_in.taken_up", { name })),
      h("p", null, h("code", { id: "code-secret" }, secret.match(/.{1,4}/g).join(" "))),
      h("p", null, h("a", { id: "otpauth", href: otpauth }, words("sign_in.otpauth"))),
      h("p", { class: "small" }, words("sign_in.kept_about")));
  }

  return card("invited", words("sign_in.invited"), body);
}

function walletCard(words) {
  const told = h("p", { class: "told", role: "alert" });
  const go = h("button", { type: "button", onclick: () => attempt(told, go, words, async () => {
    const provider = await findWallet();
    if (!provider) throw new WalletError("none");
    leave((await signIn(provider)).role);
  }) }, words("sign_in.wallet_go"));
  return card("wallet", words("sign_in.wallet"), h("p", { class: "small" }, words("sign_in.wallet_about")), go, told);
}

// A prosumer has a page of their own and no operators' screen to go to.
function leave(role) {
  location.assign(role === "prosumer" ? "/home" : wanted() ?? "/");
}

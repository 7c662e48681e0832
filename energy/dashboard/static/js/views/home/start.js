// Before sign-in: what this page is for, and the wallet's button.
import { h, setText } from "../../dom.js";
import { signIn } from "../../session.js";
import { findWallets } from "../../wallet.js";
import { troubleNodes } from "./signing.js";

export async function showStart(words, session) {
  setText(document.getElementById("answer"), words("home.start.title"));
  setText(document.getElementById("next"), words(session.role === "anonymous" || session.is_demo ? "home.start.next" : "home.start.other", { name: session.name }));
  const told = h("p", { class: "told", id: "told", role: "status" });
  const buttons = h("div", { class: "wallets" });
  const card = (id, ...children) => h("section", { class: "block span-6", id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, words(`home.start.${id}`)), children);
  document.getElementById("grid").replaceChildren(
    card("sign", h("p", null, words("home.start.how")), buttons, told, h("p", null, h("a", { id: "start-password", href: "/sign-in?to=/home" }, words("home.start.password"))), h("p", { class: "small" }, words("home.start.kept"))),
    card("what", h("ul", { class: "plain" }, ["bill", "trade", "key", "lights"].map((name) => h("li", null, words(`home.start.${name}`))))));

  const wallets = await findWallets();
  if (!wallets.length) {
    buttons.replaceChildren(h("p", { class: "caution" }, words("home.wallet.none")));
    return;
  }
  buttons.replaceChildren(...wallets.map(({ name, provider }) => h("button", { type: "button", class: "main", onclick: (event) => start(event.currentTarget, provider) },
    name ? words("home.start.with", { name }) : words("home.start.button"))));

  async function start(button, provider) {
    button.disabled = true;
    setText(told, words("home.wallet.asking"));
    try {
      await signIn(provider);
      location.reload();
    } catch (error) {
      told.replaceChildren(...troubleNodes(error, words));
      button.disabled = false;
    }
  }
}

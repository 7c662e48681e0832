// What the cards of sign-in are made of: a card, its inputs, an act with its failure in words.
import { ApiError } from "../../api.js";
import { h, setText } from "../../dom.js";
import { problemNodes } from "../../problem.js";
import { WalletError } from "../../wallet.js";

export const PRESENT_PASSWORD = { type: "password", autocomplete: "current-password", maxlength: 200 };
export const NEW_PASSWORD = { type: "password", autocomplete: "new-password", minlength: 12, maxlength: 200 };
export const CODE = { type: "text", autocomplete: "one-time-code", inputmode: "numeric", pattern: "[0-9]{6}", maxlength: 6 };

export function card(id, title, ...children) {
  return h("section", { class: "block span-12", id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), children);
}

// An input that must be filled in, under its label.
export const inputOf = (name, label, more) =>
  [h("label", { for: name }, label), h("input", { id: name, name, required: true, ...more })];

// `own` names the words of a card that says by itself what some refusals mean there.
export async function attempt(told, button, words, act, own = "sign_in") {
  setText(told, "");
  button.disabled = true;
  try {
    await act();
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof WalletError)) throw error;
    told.replaceChildren(...troubleNodes(error, words, own));
  } finally {
    button.disabled = false;
  }
}

// The nodes of a sentence.
export function troubleNodes(error, words, own = "sign_in") {
  if (error instanceof WalletError) return [words(`sign_in.wallet.${error.reason}`, { what: error.message })];
  const key = [own, "sign_in"].map((one) => `${one}.code.${error.code}`).find(words.has);
  return key ? [words(key)] : problemNodes(error, words);
}

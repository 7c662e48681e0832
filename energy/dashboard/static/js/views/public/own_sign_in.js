// What somebody who is signed in does with it: sign out, here or everywhere, and choose another password.
import { postJson } from "../../api.js";
import { h, setText } from "../../dom.js";
import { signOut, signOutEverywhere } from "../../session.js";
import { attempt, card, CODE, inputOf, NEW_PASSWORD, PRESENT_PASSWORD } from "./cards.js";

// `isElsewhere`: the reader wanted a screen that is not for this account.
export const ownCards = (who, words, isElsewhere) =>
  [presentCard(who, words, isElsewhere), who.person === null ? null : passwordCard(who, words)].filter(Boolean);

function presentCard(who, words, isElsewhere) {
  const told = h("p", { class: "told", role: "alert" });
  const button = (id, label, end) => {
    const made = h("button", { type: "button", id, onclick: () => attempt(told, made, words, async () => {
      await end();
      location.assign("/sign-in");
    }) }, label);
    return made;
  };
  // The demonstration has no other sessions of the same reader.
  const isSomebody = who.person !== null || who.account !== null;
  return card("present", words("sign_in.present"),
    h("p", { class: "who" }, words("sign_in.who", { name: who.name, role: words(`sign_in.role.${who.role}`) })),
    isElsewhere ? h("p", { class: "small" }, words("sign_in.other_role")) : null,
    isSomebody ? h("p", { class: "small" }, words("own_sign_in.everywhere_about")) : null,
    h("p", { class: "acts" }, button("end", words("header.sign_out"), signOut),
      isSomebody ? button("end-all", words("own_sign_in.everywhere"), signOutEverywhere) : null), told);
}

function passwordCard(who, words) {
  const told = h("p", { class: "told", role: "alert" });
  const done = h("p", { class: "done", id: "password-changed", role: "status" });
  const go = h("button", { type: "submit" }, words("own_sign_in.go"));
  const form = h("form", { class: "sign-in", onsubmit: (event) => {
    event.preventDefault();
    const { password, chosen, chosen_again: again, code } = Object.fromEntries(new FormData(form));
    setText(done, "");
    const wrong = chosen !== again ? "sign_in.not_twice" : chosen === password ? "own_sign_in.same" : null;
    if (wrong) { setText(told, words(wrong)); return; }
    attempt(told, go, words, async () => {
      await postJson("/v1/session/new-password", { password, code, new_password: chosen });
      form.reset();
      setText(done, words("own_sign_in.done"));
    }, "own_sign_in");
  } },
  // For programs that keep passwords: whose this is.
  h("input", { type: "text", name: "username", autocomplete: "username", value: who.person, readonly: true, hidden: true }),
  inputOf("password", words("own_sign_in.present"), PRESENT_PASSWORD),
  inputOf("chosen", words("sign_in.chosen"), NEW_PASSWORD), inputOf("chosen_again", words("sign_in.chosen_again"), NEW_PASSWORD),
  inputOf("code", words("sign_in.code"), CODE), go);
  return card("new-password", words("own_sign_in.title"), h("p", { class: "small" }, words("own_sign_in.about")), form, told, done);
}

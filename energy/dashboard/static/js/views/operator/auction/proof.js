// Was it right: where the money went to the last micro-won, and what proves the auction.
import { h } from "../../../dom.js";
import { isZero } from "../answer.js";
import { badge, definitions } from "../block.js";

const shorten = (text) => `${text.slice(0, 10)}…${text.slice(-8)}`;

export function makeProof({ words, format }) {
  const code = (text) => h("code", { title: text }, shorten(text));
  const won = (text) => format.won(text, 3);
  return (body) => ({ document: auction }) => {
    const { budget, certificate } = auction, balanced = isZero(budget.open_krw);
    body.replaceChildren(
      h("p", { class: "verdict" }, balanced ? badge("ok", "●", words("proof.balanced")) : badge("alarm", "■", words("proof.open", { amount: won(budget.open_krw) })), " ",
        badge("ok", "●", words("proof.checked"))),
      definitions([
        [words("proof.paid"), won(budget.paid_krw)],
        [words("proof.received"), won(budget.received_krw)],
        [words("proof.fees"), won(budget.fees_krw)],
        [words("proof.rent"), won(budget.rent_krw)],
        [words("proof.left"), won(budget.open_krw)],
        [words("market.orders"), format.count(auction.orders), words.count("proof.operator_rows", auction.operator_rows, format.count(auction.operator_rows))],
        [words("proof.entry"), code(certificate.entry)],
        [words("proof.book_root"), code(certificate.book_root)],
        [words("proof.fills_root"), code(certificate.fills_root)],
        [words("proof.versions"), words("proof.versions_of", { rules: format.count(certificate.rules_version), network: format.count(certificate.network_version) })],
      ]),
      h("p", { class: "small" }, words("proof.how"), " ", h("code", null, "microgrid ledger verify")));
  };
}

// What forms that are signed share: fields that say what is wrong, and one message that is
// signed once and sent until it is answered.
import { setText } from "../../dom.js";
import { AmountError, milliWon, thousandths } from "./amounts.js";
import { troubleNodes } from "./signing.js";

export class FieldError extends Error {
  constructor(message, input) {
    super(message);
    this.input = input;
  }
}

// Marks the one field that cannot be and says why; `unmark` takes the marks away.
export function marksOf(inputs, sentence) {
  const unmark = () => { for (const one of inputs) one.removeAttribute("aria-invalid"); };
  const mark = (error) => {
    unmark();
    error.input.setAttribute("aria-invalid", "true");
    setText(sentence, error.message);
  };
  return { mark, unmark };
}

export function amountOf(input, trouble, read = thousandths) {
  try {
    return read(input.value);
  } catch (error) {
    if (!(error instanceof AmountError)) throw error;
    throw new FieldError(trouble, input);
  }
}

// A limit price in milli-won, within the band and the steps of the rules.
export function limitOf(input, rules, words) {
  const mkrw = amountOf(input, words("home.trade.bad_price"), milliWon);
  const bound = (name) => milliWon(rules[`price_${name}_krw_per_kwh`]);
  if (mkrw < bound("floor") || mkrw > bound("cap") || mkrw % bound("tick")) {
    throw new FieldError(words("home.trade.band", { low: rules.price_floor_krw_per_kwh, high: rules.price_cap_krw_per_kwh, tick: rules.price_tick_krw_per_kwh }), input);
  }
  return mkrw;
}

// `read` gives the message or throws a FieldError, `mark` shows that, `domain` is the market's;
// `signer` is the wallet, or the company with the key that it keeps.
export function signedSender({ type, path, again, sign, told, words, read, mark, domain, signer }) {
  let waiting = null, changes = 0;

  async function signAndPost(message) {
    waiting ??= await signer.prepare(type, message, domain(), told);
    if (waiting === null) return null;
    // Kept until it is answered: sent again it is the same message and no second one.
    const answer = await signer.send(path, waiting);
    waiting = null;
    return answer;
  }

  return {
    // What is signed next is another message; one whose answer was lost may stand beside it.
    forget() {
      if (waiting) setText(told, words("home.sign.other"));
      waiting = null;
      changes += 1;
    },
    // The server's answer, or null where there is none and the form says why.
    async send() {
      let message = null;
      const before = changes;
      try {
        message = waiting ? null : read();
      } catch (error) {
        if (!(error instanceof FieldError)) throw error;
        mark(error);
        error.input.focus();
        return null;
      }
      sign.disabled = true;
      try {
        return await signAndPost(message);
      } catch (error) {
        const trouble = troubleNodes(error, words);
        // Cut off, or failed on the way: it may have been taken all the same.
        const isOpen = error.status === 0 || error.status >= 500;
        if (!isOpen || before !== changes) waiting = null;
        told.replaceChildren(...trouble, ...(isOpen ? [" ", words(waiting ? again : "home.sign.other")] : []));
        return null;
      } finally {
        sign.disabled = false;
      }
    },
  };
}

// What the operators' forms share: who may act, and an act that is done once.
import { ApiError, newKey } from "../../../api.js";
import { setText } from "../../../dom.js";
import { problemNodes } from "../../../problem.js";

const REASON_BYTES = 5;

// Whether a reason says something: a Korean syllable counts three, for it says as much as letters do.
export const isReason = (text) => new TextEncoder().encode(text.trim()).length >= REASON_BYTES;

// Whether an order holds by now: what was planned when it was listed may have begun meanwhile.
export const hasBegun = (one, { state }) => one.state === "running" || Date.parse(one.from_utc) <= state.get("nowMs");

export const mayOperate = () => document.documentElement.dataset.access === "operate";

// The key is kept until there is an answer: sent again after a broken line, it is the same act.
// What rests on figures is not sent while the page is not live; `needsFresh` false is for the rest.
export function act({ ctx, told, run, needsFresh = true }) {
  let key = newKey();
  return async (button) => {
    if (needsFresh && ctx.state.get("live") === "lost") { setText(told, ctx.words("live.off")); return null; }
    button.disabled = true;
    setText(told, "");
    try {
      const answer = await run(key);
      key = newKey();
      await ctx.refresh();
      return answer;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status) key = newKey();
      told.replaceChildren(...problemNodes(error, ctx.words));
      return null;
    } finally {
      button.disabled = false;
    }
  };
}

// Ending what was ordered: a form in its row of the list, and the way back on its receipt.
import { field, h } from "../../../dom.js";
import { act } from "./acts.js";

// `end` asks the service to end one for a reason, `ended` says in a sentence that it has; `undone` is
// the reason that the way back gives.
export function makeEnding(ctx, tell, { end, ended, undone = "limits.undone" }) {
  const { words } = ctx;
  const refusal = () => h("p", { class: "refused", role: "alert" });
  const runner = (one, told, reason) => act({ ctx, told, run: (key) => end(one, reason(), key) });
  async function press(run, button) {
    const answer = await run(button);
    if (answer) tell(h("p", null, ended(answer)));
  }

  // A new act each time it is opened: what was sent for another reason is another act.
  function form(one, { id, open, name, honest }) {
    const reason = h("input", { type: "text", id, maxlength: 300, autocomplete: "off" }), told = refusal();
    const button = h("button", { type: "submit", class: "main", disabled: true }, name);
    reason.addEventListener("input", () => { button.disabled = !reason.value.trim(); });
    let run = null;
    const details = h("details", { class: "form", ontoggle: () => { if (details.open) run = runner(one, told, () => reason.value.trim()); } },
      h("summary", null, open),
      h("form", { class: "limit", onsubmit: (event) => { event.preventDefault(); press(run, button); } },
        field(reason, words("limits.reason")), h("p", { class: "small" }, honest), h("div", { class: "acts" }, button), told));
    return details;
  }

  function wayBack(made) {
    const told = refusal(), run = runner(made, told, () => words(undone));
    const undo = h("button", { type: "button", onclick: () => press(run, undo) }, words("limits.undo"));
    return [h("div", { class: "acts" }, undo), told];
  }

  return { form, wayBack };
}

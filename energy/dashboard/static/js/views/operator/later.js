// What operators order stands below what it is about, and its code comes after the first view.
import { h } from "../../dom.js";

// The content of a card whose maker `load` brings.
export const later = ({ words }, load) => (body) => {
  let apply = null, last = null;
  load().then((make) => { apply = make(body); if (last) apply(last); })
    .catch((error) => { reportError(error); body.append(h("p", { class: "refused", role: "alert" }, words("error.network"))); });
  return (all) => { last = all; apply?.(all); };
};

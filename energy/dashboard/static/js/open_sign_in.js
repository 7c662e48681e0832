// The entry of the page that signs people in.
import { choiceButtons } from "./choices.js";
import { loadWords } from "./i18n.js";
import { openSignIn } from "./views/public/sign_in.js";

const { dataset, lang } = document.documentElement;
const words = await loadWords(dataset.assets, lang, "own_sign_in");
document.getElementById("controls").append(...choiceButtons(words));
await openSignIn(words);

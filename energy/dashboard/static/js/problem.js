// A refusal in the reader's words, by its code; the service's own sentence is English and says so.
import { h } from "./dom.js";

export function problemTitle(error, words) {
  const own = `problem.${error.code}`;
  return words.has(own) ? words(own) : words(error.status ? "error.status" : "error.network", { status: error.status ?? 0 });
}

export const english = (text) => h("span", { lang: "en" }, text);

export const problemNodes = (error, words) => [problemTitle(error, words), ...(error.detail ? [" ", english(error.detail)] : [])];

// The text of `key` with nodes in the place of its one placeholder.
export function textAround(words, key, name, ...nodes) {
  const [before, after] = words(key, { [name]: "\u0000" }).split("\u0000");
  return [before, ...nodes, after];
}

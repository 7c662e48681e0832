// A refusal in the reader's words, by its code; the service's own words are English and say so.
import { h } from "./dom.js";

const keyOf = (error) => `problem.${error.code}`;

export const problemTitle = (error, words) => (words.has(keyOf(error)) ? words(keyOf(error))
  : words(error.status ? "error.status" : "error.network", { status: error.status ?? 0 }));

export const english = (text) => h("span", { lang: "en" }, text);

// What the service says itself: the title too where the reader has no words for the code.
export function problemDetail(error, words) {
  const said = [words.has(keyOf(error)) ? null : error.title, error.detail].filter(Boolean);
  return said.length ? [" ", english(said.join(" "))] : [];
}

export const problemNodes = (error, words) => [problemTitle(error, words), ...problemDetail(error, words)];

// The text of `key` with nodes in the place of its one placeholder.
export function textAround(words, key, name, ...nodes) {
  const [before, after] = words(key, { [name]: "\u0000" }).split("\u0000");
  return [before, ...nodes, after];
}

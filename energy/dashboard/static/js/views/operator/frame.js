// What every screen of the operators has: head, answer, banner, cards, and their ages.
import { h } from "../../dom.js";
import { makeFormat } from "../../format.js";
import { keysButton, openScreen } from "../../keys.js";
import { buildAnswer, buildBanner } from "./answer.js";
import { buildHeader } from "./header.js";

const STEP_S = 900;

export function buildFrame({ state, words, refresh, screen }) {
  const header = buildHeader({ words, state });
  const answer = buildAnswer({ words, screen });
  const banner = buildBanner({ words, refresh });
  let view = null, lostSince = null, round = 0;

  async function show() {
    const snapshot = { ...state.get("snapshot"), ...state.get("documents") };
    const zone = snapshot.district.time_zone, own = (round += 1), first = !view;
    // Blocks format by the district's zone, so they are made when the first answer names it.
    if (first) view = makeView({ state, words, refresh, format: makeFormat(words.language, zone) }, screen);
    header.update(snapshot, view.format);
    answer.update(snapshot, view.format);
    for (const one of view.blocks) {
      // The first drawing is the long one: the reader can scroll and press between two cards.
      if (first) await pause();
      if (own !== round) return;
      one.update(snapshot);
    }
    document.getElementById("main").dataset.slot = snapshot.cycle?.slot_utc ?? "";
    age();
  }

  function age() {
    const snapshot = state.get("snapshot");
    if (!snapshot || !view) return;
    header.update(snapshot, view.format);
    const asOfMs = Date.parse(snapshot.as_of_utc ?? snapshot.clock.now_utc);
    for (const one of view.blocks) {
      const sinceMs = one.since() ?? asOfMs;
      one.grow_old((state.get("nowMs") - sinceMs) / 1000, STEP_S, sinceMs);
    }
  }

  function warn() {
    const error = state.get("error"), snapshot = state.get("snapshot");
    const since = snapshot && view ? view.format.time(Date.parse(snapshot.as_of_utc ?? snapshot.clock.now_utc)) : null;
    banner.show({ error, lostSince, keeps: since ? words("error.keeps", { time: since }) : words("error.nothing") });
    if (error && !snapshot) answer.fail(words("answer.no_answer"));
  }

  state.on("snapshot", show);
  state.on("nowMs", age);
  state.on("error", warn);
  state.on("live", (live) => {
    const ms = state.get("nowMs");
    lostSince = live === "lost" && view && ms ? view.format.time(ms) : null;
    warn();
    age();
  });
  carryTheSlotAlong();
  if (state.get("snapshot")) show();
  else if (state.get("error")) warn();
  else document.getElementById("grid").append(h("div", { class: "loading span-12", id: "first" }, h("i"), h("i"), h("i")));
}

const pause = () => new Promise((resolve) => { setTimeout(resolve); });

function makeView(ctx, screen) {
  const { words, format } = ctx;
  const blocks = screen.blocks(ctx);
  document.getElementById("grid").replaceChildren(...blocks.map((one) => one.section));
  document.getElementById("jump").replaceChildren(...screen.jumps.map(([id, key]) => h("a", { href: `#${id}` }, words(key))));
  document.getElementById("foot").replaceChildren(
    h("p", null, words("foot.keys"), " ", keysButton(words)),
    h("p", null, words("foot.api"), " ", screen.paths.map((path) => [h("a", { href: path }, path), " "])));
  return { blocks, format };
}

function carryTheSlotAlong() {
  for (const link of document.querySelectorAll(".screens a")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      openScreen(link.getAttribute("href"));
    });
  }
}

// The head of the page: place, slot, tier, alarms, age, and the two choices of the reader.
import { postJson } from "../../api.js";
import { choiceButtons } from "../../choices.js";
import { h, setText } from "../../dom.js";
import { badge, inLanguage } from "./block.js";

const TIERS = { T0: ["ok", "●"], T1: ["ok", "◐"], T2: ["warning", "◔"], T3: ["warning", "○"], T4: ["alarm", "■"] };

export function buildHeader({ words, state }) {
  const place = document.getElementById("place");
  const when = document.getElementById("when");
  const badges = document.getElementById("badges");
  document.getElementById("controls").append(...accessControl(words), ...choiceButtons(words));
  return {
    update(snapshot, format) {
      const name = inLanguage(snapshot.district.name, words.language);
      const slotMs = Date.parse(snapshot.clock.slot_utc);
      setText(place, name);
      when.replaceChildren(...[h("time", { datetime: snapshot.clock.slot_utc, title: format.utc(slotMs) }, format.dateTime(slotMs)),
        " ", h("span", { class: "muted" }, words("header.slot", { slot: format.slot(slotMs) })), zoneNote(words, format)].filter(Boolean));
      badges.replaceChildren(...[tierBadge(snapshot.cycle, words, format), ...alarmBadges(snapshot.alarms ?? [], words),
        ageBadge(snapshot, state, words, format), liveBadge(state.get("live"), words), demoBadge(snapshot.clock, words, format)].filter(Boolean));
      const open = (snapshot.alarms ?? []).length;
      document.title = `${open ? `(${open}) ` : ""}${name} · ${words(`screen.${document.documentElement.dataset.screen}.title`)}`;
    },
  };
}

// Who reads: nobody is asked in a demonstration, and the page says so; else the way out.
function accessControl(words) {
  if (document.documentElement.dataset.access === "demo") return [h("a", { class: "choice access", href: "/sign-in" }, words("header.no_sign_in"))];
  const button = h("button", { type: "button", class: "choice access", onclick: async () => {
    const { dataset } = document.documentElement;
    button.disabled = true;
    // Whatever asks meanwhile finds the session over, and must not lead elsewhere.
    dataset.leaving = "yes";
    try {
      await postJson("/v1/session/end");
      location.assign("/sign-in");
    } catch (error) {
      delete dataset.leaving;
      button.disabled = false;
      throw error;
    }
  } }, words("header.sign_out"));
  return [h("a", { class: "choice", href: "/sign-in" }, words("header.you")), button];
}

// The zone is named where the reader's own differs, for then the times are not theirs.
function zoneNote(words, format) {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return own === format.zone ? null : h("span", { class: "muted zone" }, ` ${words("header.zone", { zone: format.zone })}`);
}

export function tierText(cycle, words, format) {
  const gap = format.known(cycle.gap_frac) ? words("tier.gap", { gap: `${format.number(cycle.gap_frac * 100, 0, 2)}\u00a0%` }) : "";
  if (!TIERS[cycle.tier]) return words("tier.none");
  return `${cycle.tier} ${words(`tier.${cycle.tier}`)}${gap && ["T0", "T1"].includes(cycle.tier) ? ` (${gap})` : ""}`;
}

function tierBadge(cycle, words, format) {
  if (!cycle || !TIERS[cycle.tier]) return badge("stale", "◷", words("tier.none"));
  const [kind, symbol] = TIERS[cycle.tier];
  return badge(kind, symbol, words("header.plan", { tier: tierText(cycle, words, format) }), cycle.reason);
}

function alarmBadges(alarms, words) {
  const count = (severity) => alarms.filter((alarm) => alarm.severity === severity).length;
  return [["alarm", "■"], ["warning", "▲"]].filter(([kind]) => count(kind)).map(([kind, symbol]) =>
    h("a", { class: "badge-link", href: "/alarms" }, badge(kind, symbol, words.count(`header.${kind}`, count(kind)))));
}

function ageBadge(snapshot, state, words, format) {
  if (!snapshot.as_of_utc) return null;
  const ageS = ((state.get("nowMs") ?? Date.parse(snapshot.clock.now_utc)) - Date.parse(snapshot.as_of_utc)) / 1000;
  if (ageS < 60) return badge("stale", "◷", words("header.fresh"), format.utc(Date.parse(snapshot.as_of_utc)));
  return badge("stale", "◷", words("header.age", { age: format.age(ageS) }), format.utc(Date.parse(snapshot.as_of_utc)));
}

const liveBadge = (live, words) => (live === "reconnecting" ? badge("warning", "▲", words("live.reconnecting")) : null);
const demoBadge = (clock, words, format) =>
  (clock.mode === "demo" ? h("span", { class: "muted demo" }, words("header.demo", { seconds: format.number(clock.slot_seconds_real ?? 0, 0, 1) })) : null);

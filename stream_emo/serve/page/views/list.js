// All calls, who needs attention first.

import { h, replace, setAttribute, setChildren, setText } from "../dom.js";
import { clock, dateAndTime, mood, timeOfDay } from "../format.js";
import { attentionTag, emotionTag, lineQuality, ruleName, sparkline, talkBar } from "../parts/small.js";

/** What a call shows in the list and on the wallboard: the server's entry, with what newer events say. */
export function face(item, model) {
  const sides = item.channels.map((side) => {
    const known = model?.channels.get(side.channel);
    const latest = known?.latest;
    return {
      ...side,
      label: latest ? latest.label : side.label,
      valence: latest ? latest.valence : side.valence,
      arousal: latest ? latest.arousal : side.arousal,
      speaking: known?.turns.length ? known.speaking : side.speaking,
      share: known?.dynamics?.talk_share ?? side.talk_share,
    };
  });
  const main = sides.find((side) => side.scored && side.role === "customer") ?? sides.find((side) => side.scored) ?? sides[0] ?? null;
  const alerts = item.live ? (model?.alerts.length ? model.activeAlerts : item.alerts) : [];
  return { sides, main, alerts, elapsed: elapsed(item, model) };
}

function elapsed(item, model) {
  const told = model?.time ?? 0;
  if (!item.live) return item.duration_s ?? told;
  return Math.max(told, (Date.now() - Date.parse(item.started_at)) / 1000);
}

export function listView({ root, store }) {
  const counts = h("p", { class: "counts" });
  const live = h("ol", { class: "calls", "aria-label": "Live calls, who needs attention first" });
  const ended = h("ol", { class: "calls", "aria-label": "Calls that ended" });
  const endedSection = h("section", { hidden: true }, h("h2", {}, "Ended"), ended);
  const columns = h("div", { class: "columns", "aria-hidden": "true" },
    ["", "Call", "Customer now", "Valence, 5 min", "Talk share", "Line"].map((name) => h("span", {}, name)));
  const empty = emptyNotice();
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  root.append(h("div", { class: "heading" }, h("h1", {}, "Calls"), counts), problem, columns, live, empty, endedSection);
  const rows = new Map();

  store.loadTrends();

  function update() {
    const items = store.sorted, liveItems = items.filter((item) => item.live), endedItems = items.filter((item) => !item.live);
    for (const id of rows.keys()) if (!store.items.has(id)) rows.delete(id);
    const row = (item) => {
      if (!rows.has(item.id)) rows.set(item.id, callRow(item));
      rows.get(item.id).update(item, store.models.get(item.id));
      return rows.get(item.id).element;
    };
    setChildren(live, liveItems.map(row));
    setChildren(ended, endedItems.slice(0, 50).map(row));
    endedSection.hidden = !endedItems.length;
    columns.hidden = !items.length;
    empty.hidden = !store.listed || liveItems.length > 0;
    problem.hidden = !store.problem;
    if (store.problem) setText(problem, store.problem.message);
    const urgent = liveItems.filter((item) => face(item, store.models.get(item.id)).alerts.length).length;
    setText(counts, store.listed ? `${liveItems.length} live${urgent ? `, ${urgent} with an alert` : ""}` : "Loading");
  }

  function key(event) {
    if (event.key !== "j" && event.key !== "k") return false;
    const links = [...root.querySelectorAll(".calls a")], at = links.indexOf(document.activeElement);
    links[Math.max(0, Math.min(links.length - 1, at + (event.key === "j" ? 1 : at < 0 ? 1 : -1)))]?.focus();
    return true;
  }

  // Durations go on while nothing is said.
  const ticking = setInterval(update, 1000);
  return { title: "Calls", update, key, destroy: () => { store.trendsWanted = false; clearInterval(ticking); } };
}

function emptyNotice() {
  return h("div", { class: "empty", hidden: true },
    h("h2", {}, "No live calls"),
    h("p", {}, "Calls show up here by themselves as soon as audio arrives."),
    h("ul", {},
      h("li", {}, h("a", { href: "#/try" }, "Try it with your microphone or a recording"), ", now and in this browser."),
      h("li", {}, "See composed calls: ", h("code", {}, "stream-emo serve --demo"), "."),
      h("li", {}, "Connect a telephone line: the README's section “Telephone lines” shows Twilio and Asterisk.")));
}

function callRow(item) {
  const element = h("li", { class: "call" });
  let shown = "";
  return {
    element,
    update(item, model) {
      const now = face(item, model);
      const state = JSON.stringify([item, now.main, now.sides.map((side) => [side.speaking, side.share]), now.alerts.length, model?.channels.get(now.main?.channel)?.course.times.length]);
      if (state !== shown) {
        shown = state;
        const focused = element.contains(document.activeElement);
        replace(element, cells(item, model, now));
        if (focused) element.querySelector("a").focus();
        setAttribute(element, "data-level", now.alerts.length ? "act" : null);
      }
      setText(element.querySelector(".elapsed"), item.live ? clock(now.elapsed) : now.elapsed ? clock(now.elapsed) : "");
    },
  };
}

function cells(item, model, { main, sides, alerts }) {
  const side = main && model?.channels.get(main.channel);
  const to = item.live ? "call" : "summary";
  const speaking = sides.filter((each) => item.live && each.speaking).map((each) => each.role ?? `channel ${each.channel + 1}`);
  const hints = alerts.map((alert) => h("span", { class: "hint" }, h("strong", {}, ruleName(alert)), alert.hint ? ` – ${alert.hint}` : ""));
  return [
    h("div", { class: "cell level" }, item.live ? attentionTag({ ...item, alerts }) : h("span", { class: "soft" }, "Ended")),
    h("div", { class: "cell who" },
      h("a", { class: "id", href: `#/${to}/${encodeURIComponent(item.id)}` }, item.id),
      h("span", { class: "soft" }, h("span", { class: "elapsed" }), item.live ? ` since ${timeOfDay(item.started_at)}` : ` ${dateAndTime(item.started_at)}`),
      item.purpose && h("span", { class: "purpose" }, "Agent scored")),
    h("div", { class: "cell state" },
      main && main.valence !== null && main.valence !== undefined
        ? [emotionTag(main.label), h("span", { class: "soft" }, mood(main.valence, main.arousal))]
        : h("span", { class: "soft" }, item.live ? "Nothing said yet" : "–"),
      speaking.length > 0 && h("span", { class: "speaking" }, `${speaking.join(" and ")} ${speaking.length > 1 ? "speak" : "speaks"}`)),
    h("div", { class: "cell trend" }, side && side.course.times.length ? sparkline(side.course, Math.max(model.time, 1)) : null),
    h("div", { class: "cell talk" }, talkBar(sides)),
    h("div", { class: "cell line" }, main && lineQuality(Math.max(0, ...sides.map((each) => each.dropped_ms ?? 0)), main.latency_ms)),
    hints.length > 0 && h("div", { class: "cell hints" }, hints),
  ];
}

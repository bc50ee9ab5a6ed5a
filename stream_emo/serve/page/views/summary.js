// A call in one page, for reading after it and for printing.

import { request } from "../server.js";
import { AffectChart, EmotionChart, LaneChart, forgetColours } from "../charts.js";
import { h, replace } from "../dom.js";
import { EMOTIONS, clock, dateAndTime, emotionName, lasting, mood, percent, roleName, sideClass } from "../format.js";
import { TalkPanel, alertCourse, noteRow } from "../parts/panels.js";
import { emotionTag, ruleName } from "../parts/small.js";
import { eraseCall } from "./call.js";

export function summaryView({ root, store, id }) {
  const view = { title: `Summary of ${id}`, destroy() { view.gone = true; for (const chart of view.charts ?? []) chart.destroy(); } };
  root.append(h("p", { class: "empty", role: "status" }, "Loading the call"));
  store.load(id).then((model) => {
    if (view.gone) return;
    let { live } = model;
    build(root, store, model, view);
    view.update = () => {
      if (live && !model.live) build(root, store, model, view);
      live = model.live;
    };
  }, (error) => {
    if (!view.gone) root.replaceChildren(h("div", { class: "empty" }, h("h1", {}, "No summary"), h("p", {}, error.message), h("p", {}, h("a", { href: "#/" }, "All calls"))));
  });
  return view;
}

function build(root, store, model, view) {
  const item = store.items.get(model.id) ?? {}, sides = model.scoredSides, notes = item.notes ?? [];
  const talk = new TalkPanel({ model });
  talk.update();
  replace(root,
    h("div", { class: "call-head" },
      h("nav", { class: "crumb", "aria-label": "Way back" }, h("a", { href: "#/" }, "Calls")),
      h("div", { class: "heading" }, h("h1", {}, "Summary of call ", h("span", { class: "id" }, model.id)),
        h("span", { class: "actions" },
          h("a", { class: "button", href: `#/call/${encodeURIComponent(model.id)}` }, model.live ? "Back to the call" : "Replay"),
          h("button", { type: "button", onclick: () => save(model) }, "Save as JSON"),
          h("button", { type: "button", class: "primary", onclick: () => print() }, "Print"),
          h("button", { type: "button", class: "quiet", onclick: () => eraseCall(store, model.id) }, "Erase")))),
    facts(model, item),
    ...sides.map((side) => outcome(side, model, view)),
    h("div", { class: "pair" }, alertsCard(model), talk.element),
    notes.length > 0 && h("section", { class: "card" }, h("h2", {}, "Notes"), h("ul", { class: "notes" }, notes.map(noteRow))),
    transcript(model),
  );
  const repaint = () => {
    forgetColours();
    for (const chart of view.charts ?? []) chart.destroy();
    view.charts = sides.flatMap((side) => draw(root, side, model));
  };
  repaint();
  view.repaint = repaint;
}

function facts(model, item) {
  const rows = [
    ["Began", model.startedAt && dateAndTime(model.startedAt)], ["Lasted", lasting(model.time)],
    ["State", model.live ? "goes on" : item.ended_reason ?? "ended"],
    ["Scored", model.sides.map((side) => `${roleName(side.role, side.number)}: ${side.scored === false ? "no, timed only" : "yes"}`).join("; ")],
    ["Purpose", model.purpose],
  ];
  return h("dl", { class: "facts card" }, rows.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** How one side felt over the call: begin, end, shares and the pictures. */
function outcome(side, model, view) {
  const role = roleName(side.role, side.number), { course } = side;
  if (!course.times.length) return h("section", { class: "card" }, h("h2", {}, role), h("p", { class: "soft" }, "Nothing was scored."));
  // The beginning is the first 30 s that were scored; of a short call, the first third.
  const began = course.times[0], first = course.at(began + Math.min(30, (model.time - began) / 3)), last = course.at(model.time);
  const lowest = course.valence.reduce((best, value, index) => (value < course.valence[best] ? index : best), 0);
  const shares = shareOfSpeech(side);
  const told = [["In the beginning", first], ["Least pleasant", course.at(course.times[lowest])], ["At the end", last]];
  return h("section", { class: "card outcome" },
    h("h2", {}, `${role}: expressed emotion`),
    h("div", { class: "turning" }, told.map(([name, state]) => h("div", {}, h("span", { class: "soft" }, `${name}, ${clock(state.time)}`), emotionTag(state.label), h("span", {}, mood(state.valence, state.arousal))))),
    h("ul", { class: "legend", "aria-label": "Share of the speech by emotion" }, EMOTIONS.filter((name) => shares[name] >= 0.005).map((name) => h("li", {}, emotionTag(name, percent(shares[name]))))),
    h("div", { class: "chart", "data-chart": `emotion-${side.number}`, role: "img", "aria-label": `Shares of the emotions of the ${role.toLowerCase()} over the call` }),
    h("div", { class: "chart", "data-chart": `affect-${side.number}`, role: "img", "aria-label": `Valence (solid) and arousal (dashed) of the ${role.toLowerCase()} over the call` }),
    h("p", { class: "legend" }, h("span", { class: "key valence" }, "Valence"), h("span", { class: "key arousal" }, "Arousal"), h("span", { class: "soft" }, "band: one standard deviation")),
    h("div", { class: "chart", "data-chart": `lanes-${side.number}`, role: "img", "aria-label": "Who spoke when" }),
    h("p", { class: "legend" }, model.sides.map((each) => h("span", {}, h("span", { class: `lane-key ${sideClass(each)}`, "aria-hidden": "true" }), roleName(each.role, each.number))), h("span", { class: "soft" }, "hatched: lost audio; bar on top: an alert")));
}

/** Share of a side's speech, by time, that each emotion had in the final scores. */
function shareOfSpeech(side) {
  const sum = Object.fromEntries(EMOTIONS.map((name) => [name, 0]));
  let total = 0;
  for (const score of side.utterances.values()) {
    const length = score.end - score.start;
    total += length;
    for (const name of EMOTIONS) sum[name] += length * (score.probabilities[name] ?? 0);
  }
  return Object.fromEntries(EMOTIONS.map((name) => [name, total ? sum[name] / total : 0]));
}

function draw(root, side, model) {
  const box = (name) => root.querySelector(`[data-chart="${name}-${side.number}"]`);
  if (!box("emotion")) return [];
  const range = [0, Math.max(30, model.time)];
  const still = { range: () => range, marker: () => null, pick: () => {}, hover: () => {} };
  const charts = [
    new EmotionChart(box("emotion"), still, 150), new AffectChart(box("affect"), still, 120),
    new LaneChart(box("lanes"), still, 40 + 26 * model.sides.length, model),
  ];
  const points = side.course.window(...range);
  for (const chart of charts) chart.show(points);
  return charts;
}

function alertsCard(model) {
  return h("section", { class: "card" }, h("h2", {}, "Alerts"),
    model.alerts.length ? h("ol", { class: "alerts" }, model.alerts.map((alert) => h("li", {},
      h("span", { class: "head" }, h("strong", {}, ruleName(alert)), h("span", { class: "soft" }, `${clock(alert.since)} – ${clock(alert.until ?? model.time)}`)),
      alertCourse(alert), alert.text && h("span", { class: "soft" }, `“${alert.text.trim()}”`))))
      : h("p", { class: "soft" }, "None."));
}

function transcript(model) {
  const turns = model.sides.flatMap((side) => side.turns.map((turn) => ({ side, turn, score: side.utterances.get(turn.utterance) })))
    .sort((a, b) => a.turn.start - b.turn.start);
  return h("section", { class: "card" }, h("h2", {}, "Transcript"),
    turns.length ? h("ol", { class: "plain" }, turns.map(({ side, turn, score }) => h("li", { "data-side": side.scored === false ? "timed" : "scored" },
      h("span", { class: "time" }, clock(turn.start)), h("span", { class: "role" }, roleName(side.role, side.number)),
      side.scored === false ? h("span", { class: "soft" }, `spoke ${lasting(Math.max(1, (turn.end ?? model.time) - turn.start))}`)
        : h("span", {}, score?.text?.trim() || h("span", { class: "soft" }, "No words")),
      score ? emotionTag(score.label, score.label ? percent(score.confidence) : "") : h("span", {})))) : h("p", { class: "soft" }, "Nothing was said."));
}

/** The server's summary and all that the page knows, as a file. */
async function save(model) {
  const answer = await request("GET", `api/calls/${encodeURIComponent(model.id)}/summary`).catch(() => null);
  const data = {
    call: model.id, started_at: model.startedAt, duration_s: model.time, purpose: model.purpose, summary: answer,
    channels: model.sides.map((side) => ({ channel: side.number, role: side.role, scored: side.scored, dynamics: side.dynamics, scores: [...side.utterances.values()] })),
    alerts: model.alerts,
  };
  const link = h("a", { href: URL.createObjectURL(new Blob([JSON.stringify(data, null, 1)], { type: "application/json" })), download: `${model.id}.json` });
  link.click();
  URL.revokeObjectURL(link.href);
}

// One call: how the customer's state moves, why, and when to act.

import { request } from "../server.js";
import { h, setAttribute, setText } from "../dom.js";
import { clock, roleName, timeOfDay } from "../format.js";
import { confirmed } from "../parts/dialogs.js";
import { Moment } from "../parts/moment.js";
import { AlertsPanel, LinePanel, NotesPanel, StatePanel, TalkPanel } from "../parts/panels.js";
import { TimeWindow, Timeline } from "../parts/timeline.js";
import { Transcript } from "../parts/transcript.js";

export function callView({ root, store, id, refresh }) {
  const view = { title: id, destroy() { view.gone = true; view.parts?.timeline.destroy(); } };
  root.append(h("p", { class: "empty", role: "status" }, "Loading the call"));
  store.load(id).then((model) => { if (!view.gone) { build(root, store, model, view, refresh); refresh(); } }, (error) => {
    if (view.gone) return;
    root.replaceChildren(h("div", { class: "empty" }, h("h1", {}, error.status === 404 ? "There is no such call" : "The call cannot be shown"),
      h("p", {}, error.status === 404 ? "It was erased, or its time of keeping is over." : error.message), h("p", {}, h("a", { href: "#/" }, "All calls"))));
  });
  return view;
}

function build(root, store, model, view, refresh) {
  const window = new TimeWindow(model);
  let chosenSide = null;
  const side = () => {
    const sides = model.scoredSides;
    return sides.find((each) => each.number === chosenSide) ?? sides[0] ?? model.sides[0] ?? model.channel(0);
  };
  const changed = () => { refresh.now(); };
  const choose = (time, entry) => {
    window.choose(time);
    if (entry?.side.scored) chosenSide = entry.side.number;
    refresh.now();
  };
  const current = () => {
    const score = window.chosen === null ? null : parts.moment.score;
    return score && `${score.channel}:${score.utterance}`;
  };
  const head = heading(store, model);
  const chooser = h("fieldset", { class: "spans", hidden: true });
  const parts = {
    state: new StatePanel({ model, side, window }),
    alerts: new AlertsPanel({ model, choose }),
    timeline: new Timeline({ model, window, side, changed }),
    transcript: new Transcript({ model, current, choose }),
    moment: new Moment({ model, side, choose, time: () => window.chosen ?? (window.live ? null : window.end) }),
    talk: new TalkPanel({ model }),
    line: new LinePanel({ model }),
    notes: new NotesPanel({ model, store }),
  };
  root.replaceChildren(head.element, chooser,
    h("div", { class: "call-grid" },
      h("div", { class: "col-main" }, h("div", { class: "pair" }, parts.state.element, parts.alerts.element), parts.timeline.element),
      h("div", { class: "col-side" }, parts.transcript.element, parts.notes.element),
      h("div", { class: "pair col-more" }, parts.moment.element, h("div", { class: "stack" }, parts.talk.element, parts.line.element))));
  parts.timeline.build();
  let revealed = null;

  view.parts = parts;
  view.update = () => {
    head.update();
    chooseSide(chooser, model, side(), (number) => { chosenSide = number; changed(); });
    for (const part of Object.values(parts)) part.update();
    if (window.chosen !== revealed) parts.transcript.reveal(revealed = window.chosen);
  };
  view.repaint = () => parts.timeline.build();
  view.key = (event) => {
    const step = event.shiftKey ? 30 : 5, at = window.chosen ?? window.end ?? model.time;
    if (event.key === " ") {
      if (event.target.closest("button, a, summary")) return false;
      window.pause();
    } else if (event.key === "ArrowLeft") window.choose(at - step);
    else if (event.key === "ArrowRight") window.choose(at + step);
    else if (event.key === "l") window.follow();
    else if (event.key === "+" || event.key === "=") parts.timeline.zoom(-1);
    else if (event.key === "-") parts.timeline.zoom(1);
    else if (event.key === "e") parts.moment.explain();
    else if (event.key === "n") parts.notes.field.focus();
    else return false;
    changed();
    return true;
  };
}

function heading(store, model) {
  const state = h("span", { class: "live" }), since = h("span", { class: "soft" }), purpose = h("p", { class: "purpose-note", hidden: true });
  const erase = h("button", { type: "button", class: "quiet", onclick: () => eraseCall(store, model.id) }, "Erase");
  const element = h("div", { class: "call-head" },
    h("nav", { class: "crumb", "aria-label": "Way back" }, h("a", { href: "#/" }, "Calls")),
    h("div", { class: "heading" }, h("h1", { class: "id" }, model.id), state, since,
      h("span", { class: "actions" }, h("a", { class: "button", href: `#/summary/${encodeURIComponent(model.id)}` }, "Summary"), erase)),
    purpose);
  return {
    element,
    update() {
      setText(state, model.live ? "Live" : "Ended");
      setAttribute(state, "data-live", model.live);
      setText(since, `${clock(model.time)}${model.startedAt ? ` since ${timeOfDay(model.startedAt)}` : ""}`);
      purpose.hidden = !model.purpose;
      if (model.purpose) setText(purpose, `The agent is scored as well. Stated purpose: ${model.purpose}`);
    },
  };
}

/** More than one scored side: which one the pictures show. */
function chooseSide(chooser, model, current, pick) {
  const sides = model.scoredSides;
  chooser.hidden = sides.length < 2;
  if (sides.length < 2) return;
  if (chooser.querySelectorAll("input").length !== sides.length) {
    chooser.replaceChildren(h("legend", { class: "hidden" }, "Side shown"), ...sides.map((side) => h("label", {},
      h("input", { type: "radio", name: "side", "data-side": side.number, onchange: () => pick(side.number) }), h("span", {}, roleName(side.role, side.number)))));
  }
  for (const input of chooser.querySelectorAll("input")) input.checked = Number(input.dataset.side) === current.number;
}

export async function eraseCall(store, id) {
  if (!await confirmed("Erase this call?", "Its events, transcript and notes are removed from this server. This cannot be undone.", "Erase")) return;
  try {
    await request("DELETE", `api/calls/${encodeURIComponent(id)}`);
    store.forget(id);
    location.hash = "#/";
  } catch (error) {
    await confirmed("The call was not erased", error.message, "Understood");
  }
}

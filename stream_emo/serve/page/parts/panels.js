// The panels of a call: how the customer is now, alerts, how the talk goes, the line, notes.

import { request } from "../server.js";
import { h, setAttribute, setChildren, setText, svg } from "../dom.js";
import { clock, emotionName, lasting, mood, percent, roleName, sideClass, signed, timeOfDay } from "../format.js";
import { figure, ruleName, sign } from "./small.js";

/** The state of the scored side in large letters, and where it lies between unpleasant and pleasant, calm and excited. */
export class StatePanel {
  constructor({ model, side, window }) {
    Object.assign(this, { model, side, window });
    this.role = h("h2", { id: "state-title" });
    this.label = h("span", { class: "label" });
    this.feel = h("span", { class: "feel" });
    this.held = h("span", { class: "held" });
    this.numbers = h("span", { class: "soft" });
    this.dot = svg("circle", { r: 5, class: "dot" });
    this.spread = svg("ellipse", { class: "spread" });
    this.trail = svg("path", { class: "trail" });
    this.grid = svg("svg", { class: "affect-grid", viewBox: "-62 -62 124 124", role: "img" },
      svg("rect", { class: "frame", x: -60, y: -60, width: 120, height: 120, rx: 10 }),
      svg("path", { class: "zero", d: "M-60 0H60M0-60V60" }), this.spread, this.trail, this.dot,
      svg("text", { x: 56, y: -5, "text-anchor": "end" }, "pleasant"), svg("text", { x: -56, y: -5 }, "unpleasant"),
      svg("text", { x: 4, y: -49 }, "excited"), svg("text", { x: 4, y: 56 }, "calm"));
    this.element = h("section", { class: "card now", "aria-labelledby": "state-title" },
      h("div", {}, this.role, h("p", { class: "big" }, this.label, " ", this.held), h("p", {}, this.feel, h("br"), this.numbers)), this.grid);
  }

  update() {
    const side = this.side(), time = this.window.chosen ?? this.window.end ?? this.model.time;
    const at = this.window.chosen === null && this.window.live;
    const state = at && side.latest ? side.latest : side.course.at(time);
    setText(this.role, `${roleName(side.role, side.number)} ${at ? (this.model.live ? "now" : "at the end") : `at ${clock(time)}`}`);
    setAttribute(this.element, "data-emotion", state ? state.label ?? "unclear" : null);
    setAttribute(this.element, "data-empty", !state);
    setText(this.label, state ? emotionName(state.label) : "Nothing said yet");
    const since = state ? side.course.labelSince(time) : time;
    setText(this.held, state && time - since >= 1 ? `for ${lasting(time - since)}` : "");
    setText(this.feel, state ? mood(state.valence, state.arousal) : "");
    setText(this.numbers, state ? `valence ${signed(state.valence)}, arousal ${signed(state.arousal)}` : "");
    setAttribute(this.grid, "aria-label", state ? `Valence ${signed(state.valence)}, arousal ${signed(state.arousal)}` : "No valence and arousal yet");
    for (const part of [this.dot, this.spread, this.trail]) part.toggleAttribute("hidden", !state);
    if (!state) return;
    const x = (value) => (58 * value).toFixed(1), y = (value) => (-58 * value).toFixed(1);
    for (const part of [this.dot, this.spread]) { part.setAttribute("cx", x(state.valence)); part.setAttribute("cy", y(state.arousal)); }
    this.spread.setAttribute("rx", x(state.valence_std));
    this.spread.setAttribute("ry", x(state.arousal_std));
    const past = side.course.window(Math.max(0, time - 30), time, 40);
    const path = past.times.map((when, index) => (when <= time ? `${index ? "L" : "M"}${x(past.valence[index])} ${y(past.arousal[index])}` : "")).join("");
    this.trail.setAttribute("d", path);
  }
}

/** Alerts: active ones on top with what to do, earlier ones below; a press shows the moment. */
export class AlertsPanel {
  constructor({ model, choose }) {
    Object.assign(this, { model, choose });
    this.list = h("ol", { class: "alerts" });
    this.count = h("span", { class: "soft" });
    this.none = h("p", { class: "soft" }, "No alert in this call.");
    this.element = h("section", { class: "card", "aria-labelledby": "alerts-title" }, h("div", { class: "card-head" }, h("h2", { id: "alerts-title" }, "Alerts"), this.count), this.none, this.list);
    this.rows = new Map();
  }

  update() {
    const { alerts, live, time } = this.model;
    this.none.hidden = alerts.length > 0;
    setText(this.count, alerts.length > 1 ? `${alerts.length}` : "");
    const active = (alert) => live && alert.until === null;
    const sorted = [...alerts].sort((a, b) => active(b) - active(a) || b.since - a.since).slice(0, 40);
    setChildren(this.list, sorted.map((alert) => {
      if (!this.rows.has(alert)) this.rows.set(alert, this.#row(alert));
      const row = this.rows.get(alert), now = active(alert);
      setAttribute(row.element, "data-active", now);
      setText(row.when, now ? `since ${clock(alert.since)}, ${lasting(time - alert.since)}` : `${clock(alert.since)} – ${clock(alert.until ?? time)}`);
      row.hint.hidden = !now || !alert.hint;
      return row.element;
    }));
  }

  #row(alert) {
    const when = h("span", { class: "soft" }), hint = h("p", { class: "hint" }, alert.hint);
    const who = roleName(this.model.channel(alert.channel).role, alert.channel);
    const button = h("button", { type: "button", class: "alert", onclick: () => this.choose(alert.since) },
      h("span", { class: "head" }, sign("act"), h("strong", {}, ruleName(alert)), when), alertCourse(alert),
      h("span", { class: "soft" }, [who, `${trimmed(alert.value)} against ${trimmed(alert.threshold)}`, alert.text ? `“${alert.text.trim()}”` : ""].filter(Boolean).join(" · ")));
    return { element: h("li", {}, hint, button), when, hint };
  }
}

function trimmed(value) {
  return typeof value === "number" ? String(Math.round(100 * value) / 100).replace("-", "−") : "";
}

/** The course of the value that raised an alert, with the threshold. */
export function alertCourse({ course = [], threshold, rule }) {
  if (course.length < 2) return null;
  const values = course.map(([, value]) => value), low = Math.min(...values, threshold), high = Math.max(...values, threshold);
  const first = course[0][0], length = course[course.length - 1][0] - first || 1;
  const x = (time) => (((time - first) / length) * 160).toFixed(1), y = (value) => (34 - ((value - low) / (high - low || 1)) * 32).toFixed(1);
  return svg("svg", { class: "spark", viewBox: "0 0 160 36", preserveAspectRatio: "none", role: "img", "aria-label": `Course of ${rule} up to the alert` },
    svg("path", { class: "threshold", d: `M0 ${y(threshold)}H160` }),
    svg("path", { class: "course", d: course.map(([time, value], index) => `${index ? "L" : "M"}${x(time)} ${y(value)}`).join("") }));
}

const MEASURES = [
  ["Talk share", (d) => percent(d.talk_share)],
  ["Talking", (d) => clock(d.talk_s)],
  ["Words per minute", (d) => (d.words_per_minute === null ? "–" : String(Math.round(d.words_per_minute)))],
  ["Interruptions", (d) => String(d.interruptions)],
  ["Overlap", (d) => lasting(d.overlap_s)],
  ["Longest turn", (d) => lasting(d.longest_s)],
  ["Answers after", (d) => (d.response_s === null ? "–" : `${d.response_s.toFixed(1)} s`)],
];

/** How the talk goes, both sides beside each other. */
export class TalkPanel {
  constructor({ model }) {
    this.model = model;
    this.table = h("table", { class: "talk" });
    this.silence = h("p", { class: "soft" });
    this.none = h("p", { class: "soft" }, "Measured from the first seconds of talk on.");
    this.element = h("section", { class: "card", "aria-labelledby": "talk-title" }, h("div", { class: "card-head" }, h("h2", { id: "talk-title" }, "Conversation")), this.none, this.table, this.silence);
    this.shown = "";
  }

  update() {
    const sides = this.model.sides.filter((side) => side.dynamics);
    this.none.hidden = sides.length > 0;
    this.table.hidden = !sides.length;
    const state = sides.map((side) => side.dynamics.time).join();
    if (state === this.shown) return;
    this.shown = state;
    this.table.replaceChildren(
      h("thead", {}, h("tr", {}, h("td", {}), sides.map((side) => h("th", { scope: "col" }, h("span", { class: `lane-key ${sideClass(side)}`, "aria-hidden": "true" }), roleName(side.role, side.number))))),
      h("tbody", {}, MEASURES.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), sides.map((side) => h("td", {}, value(side.dynamics)))))));
    const silent = Math.max(0, ...sides.map((side) => side.dynamics.dead_air_total_s ?? 0));
    setText(this.silence, silent >= 1 ? `Both silent for ${lasting(silent)} in all, in pauses of more than 3 s.` : "");
  }
}

/** What the line loses and how late scores are. */
export class LinePanel {
  constructor({ model }) {
    this.model = model;
    this.figures = [figure("Lost", "Audio that did not arrive or could not be taken in time"), figure("Score after", "From the arrival of the audio to the score"), figure("Level", "Level of the newest audio"), figure("Left out", "Scores left out because the machine was behind")];
    this.trouble = h("p", { class: "problem", hidden: true });
    this.element = h("section", { class: "card line", "aria-labelledby": "line-title" }, h("div", { class: "card-head" }, h("h2", { id: "line-title" }, "Line")), h("dl", { class: "figures" }, this.figures.map((each) => each.element)), this.trouble);
  }

  update() {
    const { sides } = this.model, stats = sides.map((side) => side.stats).filter(Boolean);
    const [lost, late, level, left] = this.figures;
    const lostMs = Math.max(0, ...sides.map((side) => side.droppedMs)) || 1000 * sides.reduce((sum, side) => sum + [...side.gaps.values()].reduce((total, gap) => total + gap.end - gap.start, 0), 0);
    lost.set(lostMs < 1 ? "nothing" : milliseconds(lostMs));
    const latency = sides.map((side) => side.latency).filter((value) => value !== null);
    late.set(latency.length ? milliseconds(Math.max(...latency)) : "–");
    level.set(stats.length ? stats.map((each) => `${Math.round(each.level_db)} dB`).join(" / ").replaceAll("-", "−") : "–");
    left.set(String(stats.reduce((sum, each) => sum + each.skipped_scores, 0)));
    const errors = sides.flatMap((side) => side.errors);
    this.trouble.hidden = !errors.length;
    if (errors.length) setText(this.trouble, errors[errors.length - 1].message);
  }
}

function milliseconds(value) {
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

/** Notes of the people who watch the call. */
export class NotesPanel {
  constructor({ model, store }) {
    Object.assign(this, { model, store });
    this.list = h("ul", { class: "notes" });
    this.field = h("textarea", { id: "note", rows: 2, maxlength: 2000, placeholder: "What the next person should know" });
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    const form = h("form", { onsubmit: (event) => { event.preventDefault(); this.#save(); } },
      h("label", { for: "note", class: "hidden" }, "New note"), this.field, h("div", { class: "actions" }, h("button", { class: "primary" }, "Add note")));
    this.field.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(); });
    this.element = h("section", { class: "card", "aria-labelledby": "notes-title" }, h("div", { class: "card-head" }, h("h2", { id: "notes-title" }, "Notes")), this.list, form, this.problem);
    this.shown = "";
  }

  update() {
    const notes = this.store.items.get(this.model.id)?.notes ?? [], state = JSON.stringify(notes);
    if (state === this.shown) return;
    this.shown = state;
    this.list.replaceChildren(...notes.map(noteRow));
  }

  async #save() {
    const text = this.field.value.trim();
    if (!text) return;
    try {
      const note = await request("POST", `api/calls/${encodeURIComponent(this.model.id)}/notes`, { text });
      const item = this.store.items.get(this.model.id);
      if (item) item.notes = [...(item.notes ?? []), note && note.text ? note : { text, at: new Date().toISOString() }];
      this.field.value = "";
      this.problem.hidden = true;
      this.update();
    } catch (error) {
      this.problem.hidden = false;
      setText(this.problem, `The note was not kept: ${error.message}`);
    }
  }
}

export function noteRow(note) {
  const text = typeof note === "string" ? note : note.text, at = note.at ?? note.written_at ?? note.time;
  return h("li", {}, h("p", {}, text), at && h("span", { class: "soft" }, typeof at === "number" ? clock(at) : timeOfDay(at)));
}

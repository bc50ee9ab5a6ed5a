// The pictures of a call with what moves through them: window, pause, slider.

import { AffectChart, EmotionChart, LaneChart, drawOverview, forgetColours } from "../charts.js";
import { h, setAttribute, setText } from "../dom.js";
import { EMOTIONS, clock, emotionName, mood, percent, roleName, signed } from "../format.js";

const SPANS = [["1 min", 60], ["5 min", 300], ["30 min", 1800], ["All", Infinity]];
const LEAST_S = 30;

/** Which time is shown and chosen; `end` null: it follows the call, `chosen` null: the newest moment. */
export class TimeWindow {
  constructor(model) {
    this.model = model;
    this.span = 300;
    this.end = null;
    this.chosen = null;
    this.hovered = null;
  }

  get live() {
    return this.end === null;
  }

  range() {
    const now = this.end ?? this.model.time;
    const span = Math.min(this.span, Math.max(LEAST_S, this.model.time));
    const end = Math.max(now, Math.min(span, Math.max(LEAST_S, this.model.time)));
    return [end - span, end];
  }

  /** Chooses a moment and holds the picture; the window moves only if the moment is outside it. */
  choose(time) {
    const [start, end] = this.range();
    this.chosen = Math.max(0, Math.min(this.model.time, time));
    this.end ??= end;
    if (this.chosen < start) this.end = this.chosen + (end - start) * 0.8;
    else if (this.chosen > end) this.end = Math.min(Math.max(this.model.time, end - start), this.chosen + (end - start) * 0.2);
  }

  follow() {
    this.end = this.chosen = null;
  }

  setSpan(span) {
    this.span = span;
    if (this.live) return;
    const length = Math.min(span, Math.max(LEAST_S, this.model.time));
    const centre = this.chosen ?? this.end;
    this.end = Math.max(length, Math.min(Math.max(this.model.time, length), centre + length / 2));
  }

  pause() {
    if (this.live) [, this.end] = this.range();
    else this.follow();
  }
}

export class Timeline {
  constructor({ model, window, side, changed }) {
    Object.assign(this, { model, window, side, changed });
    this.legend = new Map();
    const box = (name) => h("div", { class: `chart ${name}` });
    this.boxes = { emotion: box("emotion-chart"), affect: box("affect-chart"), lanes: box("lane-chart") };
    this.laneNames = h("ul", { class: "lane-names", "aria-hidden": "true" });
    this.affectLegend = { valence: h("span", {}), arousal: h("span", {}) };
    this.element = h("section", { class: "card timeline", "aria-labelledby": "timeline-title" },
      h("div", { class: "card-head" }, h("h2", { id: "timeline-title" }, "Expressed emotion"), this.moment = h("span", { class: "soft when" })),
      this.#emotionLegend(), this.boxes.emotion,
      h("p", { class: "legend" },
        h("span", { class: "key valence" }, "Valence ", this.affectLegend.valence), h("span", { class: "key arousal" }, "Arousal ", this.affectLegend.arousal),
        h("span", { class: "soft" }, "band: one standard deviation")),
      this.boxes.affect,
      h("div", { class: "lanes" }, this.boxes.lanes, this.laneNames),
      this.#controls());
  }

  /** To be called once the element is in the document, and after the theme has changed. */
  build() {
    forgetColours();
    for (const chart of this.charts ?? []) chart.destroy();
    const view = {
      range: () => this.window.range(),
      marker: () => this.window.chosen,
      pick: (time) => { this.window.choose(time); this.changed(); },
      hover: (time) => { if (time !== this.window.hovered) { this.window.hovered = time; this.#readout(); } },
    };
    const low = innerHeight < 700 || innerWidth < 600;
    this.charts = [
      new EmotionChart(this.boxes.emotion, view, low ? 130 : 190),
      new AffectChart(this.boxes.affect, view, low ? 110 : 140),
      new LaneChart(this.boxes.lanes, view, 26 + 14 + 34 * Math.max(1, this.model.sides.length), this.model),
    ];
    this.lanes = this.model.sides.length;
    this.update();
  }

  update() {
    if (!this.charts) return;
    if (this.lanes !== this.model.sides.length) { this.build(); return; }
    const [start, end] = this.window.range(), points = this.side().course.window(start, end);
    for (const chart of this.charts) chart.show(points);
    this.#slide();
    this.#readout();
    this.#describe();
    const names = this.model.sides.map((side) => roleName(side.role, side.number));
    if (this.laneNames.textContent !== names.join("")) this.laneNames.replaceChildren(...names.map((name) => h("li", {}, name)));
  }

  destroy() {
    for (const chart of this.charts ?? []) chart.destroy();
  }

  zoom(step) {
    const at = SPANS.findIndex(([, span]) => span === this.window.span);
    this.#span(SPANS[Math.max(0, Math.min(SPANS.length - 1, at + step))][1]);
  }

  #span(span) {
    this.window.setSpan(span);
    for (const input of this.spans.querySelectorAll("input")) input.checked = Number(input.dataset.span) === span;
    this.changed();
  }

  #emotionLegend() {
    return h("ul", { class: "legend", "aria-label": "Shares of the emotions" }, EMOTIONS.map((name) => {
      const share = h("span", { class: "share" });
      this.legend.set(name, share);
      return h("li", { class: "emotion", "data-emotion": name }, h("span", { class: "swatch", "aria-hidden": "true" }), emotionName(name), " ", share);
    }));
  }

  #controls() {
    this.play = h("button", { type: "button", class: "play", onclick: () => { this.window.pause(); this.changed(); } });
    this.slider = h("input", {
      type: "range", min: 0, step: 1, "aria-label": "Moment of the call",
      oninput: () => { this.window.choose(Number(this.slider.value)); this.changed(); },
    });
    this.overview = h("canvas", { "aria-hidden": "true" });
    this.spans = h("fieldset", { class: "spans" }, h("legend", { class: "hidden" }, "Time shown"),
      SPANS.map(([name, span]) => h("label", {}, h("input", {
        type: "radio", name: "span", "data-span": span, checked: span === this.window.span, onchange: () => this.#span(span),
      }), h("span", {}, name))));
    return h("div", { class: "controls" }, this.play, h("div", { class: "scrub" }, this.overview, this.slider), this.spans);
  }

  #slide() {
    const { model, window } = this, at = window.chosen ?? Math.min(window.end ?? model.time, model.time);
    const running = window.live && model.live;
    setText(this.play, running ? "Pause" : model.live ? "Go live" : window.chosen === null ? "At the end" : "To the end");
    this.play.disabled = !model.live && window.chosen === null && window.live;
    setAttribute(this.play, "data-live", running);
    this.slider.max = Math.max(1, Math.ceil(model.time));
    if (document.activeElement !== this.slider || window.live) this.slider.value = at;
    setAttribute(this.slider, "aria-valuetext", this.#words(at));
    drawOverview(this.overview, model, this.side(), window.range());
  }

  #words(time) {
    const state = this.side().course.at(time);
    return `${clock(time)}, ${state ? `${emotionName(state.label)}, ${mood(state.valence, state.arousal)}` : "nothing said yet"}`;
  }

  #readout() {
    const { window, model } = this, time = window.hovered ?? window.chosen ?? window.end ?? model.time;
    const state = this.side().course.at(time);
    setText(this.moment, `${window.hovered === null && window.live && model.live ? "now" : "at"} ${clock(time)}`);
    for (const [name, share] of this.legend) setText(share, state ? percent(state.probabilities[name]) : "");
    setText(this.affectLegend.valence, state ? signed(state.valence) : "");
    setText(this.affectLegend.arousal, state ? signed(state.arousal) : "");
  }

  /** The pictures in words, for screen readers; changed only every few seconds of call. */
  #describe() {
    const [start, end] = this.window.range().map((time) => Math.round(Math.max(0, time) / 10) * 10);
    const state = this.side().course.at(end);
    const role = roleName(this.side().role, this.side().number);
    const words = state ? `${role} at the end: ${emotionName(state.label)}, ${mood(state.valence, state.arousal)}` : `${role} has not been scored yet`;
    setAttribute(this.boxes.emotion, "role", "img");
    setAttribute(this.boxes.emotion, "aria-label", `Shares of the emotions from ${clock(start)} to ${clock(end)}. ${words}.`);
    setAttribute(this.boxes.affect, "role", "img");
    setAttribute(this.boxes.affect, "aria-label", `Valence and arousal from ${clock(start)} to ${clock(end)}. ${words}.`);
    setAttribute(this.boxes.lanes, "role", "img");
    setAttribute(this.boxes.lanes, "aria-label", `Who speaks from ${clock(start)} to ${clock(end)}; the transcript says the same in words.`);
  }
}

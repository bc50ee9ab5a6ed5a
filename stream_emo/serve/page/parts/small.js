// Small pieces that several views share.

import { h, setAttribute, setText, svg } from "../dom.js";
import { attentionLevel, emotionName, lasting, percent, roleName, sideClass, title } from "../format.js";

/** An emotion's name with its colour. */
export function emotionTag(label, extra) {
  return h("span", { class: "emotion", "data-emotion": label ?? "unclear" }, h("span", { class: "swatch", "aria-hidden": "true" }), emotionName(label), extra && h("span", { class: "soft" }, ` ${extra}`));
}

/** How much a call needs somebody: a sign that differs in shape as well as in colour, and the word. */
export function attentionTag(item) {
  const { level, word } = attentionLevel(item.attention ?? 0, item.live ? item.alerts?.length ?? 0 : 0);
  return h("span", { class: "attention", "data-level": level }, sign(level), h("span", {}, word));
}

export function sign(level) {
  const shapes = {
    act: [svg("path", { d: "M8 1.5 15 14H1Z" }), svg("path", { class: "cut", d: "M8 6v4M8 11.6v.8" })],
    watch: [svg("circle", { cx: 8, cy: 8, r: 6.2, class: "ring" }), svg("path", { d: "M8 1.8a6.2 6.2 0 0 1 0 12.4Z" })],
    calm: [svg("circle", { cx: 8, cy: 8, r: 6.2, class: "ring" })],
  };
  return svg("svg", { class: "sign", viewBox: "0 0 16 16", "aria-hidden": "true" }, shapes[level]);
}

/** The course of the valence over the last minutes, -1 to 1. */
export function sparkline(course, now, spanS = 300) {
  const width = 160, height = 32;
  const start = Math.max(0, now - spanS), points = course.window(start, now, 60);
  const x = (time) => ((time - start) / Math.max(30, now - start)) * width;
  const y = (value) => height / 2 - value * (height / 2 - 2);
  const path = points.times.map((time, index) => `${index ? "L" : "M"}${x(Math.max(start, time)).toFixed(1)} ${y(points.valence[index]).toFixed(1)}`).join("");
  const last = points.times.length - 1;
  return svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": sparkWords(points) },
    svg("path", { class: "zero", d: `M0 ${height / 2}H${width}` }),
    svg("path", { class: "course", d: path }),
    last >= 0 && svg("path", { class: "end", d: `M${x(points.times[last]).toFixed(1)} ${y(points.valence[last]).toFixed(1)}h0` }));
}

function sparkWords({ valence }) {
  if (valence.length < 2) return "Valence: too early to show";
  const change = valence[valence.length - 1] - valence[0];
  return `Valence over the last minutes: ${Math.abs(change) < 0.15 ? "steady" : change > 0 ? "rising" : "falling"}`;
}

/** Which side talks how much, as a bar and in words. */
export function talkBar(sides) {
  const known = sides.filter((side) => side.share !== null && side.share !== undefined);
  if (!known.length) return h("span", { class: "soft" }, "–");
  const total = known.reduce((sum, side) => sum + side.share, 0) || 1;
  const words = known.map((side) => `${roleName(side.role, side.channel)} ${percent(side.share)}`).join(", ");
  let left = 0;
  return svg("svg", { class: "talkbar", viewBox: "0 0 100 8", preserveAspectRatio: "none", role: "img", "aria-label": `Talk share: ${words}` },
    known.map((side) => {
      const width = (100 * side.share) / total;
      const part = svg("rect", { x: left, y: 0, width: Math.max(0, width - (known.length > 1 ? 1 : 0)), height: 8, rx: 1, class: sideClass(side) });
      left += width;
      return part;
    }));
}

/** What the line loses and how late scores are; a sign of trouble in words. */
export function lineQuality(droppedMs, latencyMs) {
  const late = latencyMs !== null && latencyMs !== undefined;
  const trouble = droppedMs > 500 || (late && latencyMs > 2000);
  return h("span", { class: "quality", "data-trouble": trouble }, h("span", {}, droppedMs >= 1 ? `${lasting(droppedMs / 1000)} lost` : "Nothing lost"), h("span", {}, late ? `${(latencyMs / 1000).toFixed(1)} s late` : ""));
}

export function ruleName(alert) {
  return title(alert.rule);
}

/** A share from 0 to 1 as a bar. */
export function bar(label) {
  const filled = h("span"), element = h("span", { class: "bar", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": 0 }, filled);
  return {
    element,
    set(value) {
      filled.style.width = `${Math.round(1000 * Math.max(0, Math.min(1, value))) / 10}%`;
      setAttribute(element, "aria-valuenow", Math.round(100 * value) / 100);
    },
  };
}

/** A number that changes, in an element that keeps its place. */
export function figure(label, hint) {
  const value = h("dd", {}, "–");
  return { element: h("div", { class: "figure", title: hint }, h("dt", {}, label), value), set: (text) => setText(value, text) };
}

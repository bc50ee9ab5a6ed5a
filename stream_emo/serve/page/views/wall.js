// The wallboard: all live calls on a large screen, to be read from across the room.

import { h, setAttribute, setChildren, setText } from "../dom.js";
import { attentionLevel, clock, emotionName, mood } from "../format.js";
import { ruleName, sign, sparkline } from "../parts/small.js";
import { face } from "./list.js";

export function wallView({ root, store }) {
  const numbers = h("dl", { class: "numbers" });
  const full = h("button", { type: "button", class: "quiet", onclick: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()) }, "Full screen");
  const tiles = h("ol", { class: "tiles", "aria-label": "Live calls, who needs attention first" });
  const empty = h("p", { class: "empty", hidden: true }, "No live calls.");
  root.append(h("div", { class: "heading" }, h("h1", {}, "Wallboard"), numbers, full), tiles, empty);
  const known = new Map();
  store.loadTrends();

  function update() {
    const items = store.sorted.filter((item) => item.live);
    const faces = items.map((item) => face(item, store.models.get(item.id)));
    const levels = items.map((item, index) => attentionLevel(item.attention ?? 0, faces[index].alerts.length));
    for (const id of known.keys()) if (!items.some((item) => item.id === id)) known.delete(id);
    setChildren(tiles, items.map((item, index) => {
      if (!known.has(item.id)) known.set(item.id, tile(item));
      known.get(item.id).update(store.models.get(item.id), faces[index], levels[index]);
      return known.get(item.id).element;
    }));
    const count = (level) => levels.filter((each) => each.level === level).length;
    const told = [["Live", items.length], ["Need attention", count("act")], ["Watch", count("watch")]];
    if (numbers.childElementCount !== told.length) numbers.replaceChildren(...told.map(([name]) => h("div", {}, h("dt", {}, name), h("dd", {}))));
    told.forEach(([, value], index) => setText(numbers.children[index].lastChild, String(value)));
    empty.hidden = !store.listed || items.length > 0;
  }

  const ticking = setInterval(update, 1000);
  return { title: "Wallboard", update, destroy: () => { store.trendsWanted = false; clearInterval(ticking); } };
}

function tile(item) {
  const level = h("span", { class: "attention" }), elapsed = h("span", { class: "elapsed" });
  const label = h("span", { class: "label" }), feel = h("span", { class: "feel" }), hint = h("span", { class: "hint" }), trend = h("span", { class: "trend" });
  const link = h("a", { href: `#/call/${encodeURIComponent(item.id)}` },
    h("span", { class: "tophead" }, level, elapsed), h("span", { class: "id" }, item.id), label, feel, trend, hint);
  const element = h("li", { class: "tile" }, link);
  let points = -1;
  return {
    element,
    update(model, { main, alerts, elapsed: seconds }, { level: rank, word }) {
      setAttribute(element, "data-level", rank);
      setAttribute(element, "data-emotion", main?.label ?? "unclear");
      if (level.dataset.level !== rank) {
        level.dataset.level = rank;
        level.replaceChildren(sign(rank), word);
      }
      setText(elapsed, clock(seconds));
      const heard = main && main.valence !== null && main.valence !== undefined;
      setText(label, heard ? emotionName(main.label) : "–");
      setText(feel, heard ? mood(main.valence, main.arousal) : "Nothing said yet");
      setText(hint, alerts.length ? `${ruleName(alerts[0])}${alerts.length > 1 ? ` and ${alerts.length - 1} more` : ""}` : "");
      const course = main && model?.channels.get(main.channel)?.course;
      if (course && course.times.length !== points) {
        points = course.times.length;
        trend.replaceChildren(sparkline(course, Math.max(1, model.time)));
      }
    },
  };
}

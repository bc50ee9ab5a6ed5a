// What was said and how, both sides in one list. Only a stretch of a long call is in the document at a time.

import { h, setAttribute, setChildren, setText } from "../dom.js";
import { clock, emotionName, lasting, percent, roleName } from "../format.js";

const STRETCH = 80;

export class Transcript {
  /** `current()`: key of the entry that the other panels show; null: the newest. */
  constructor({ model, current, choose }) {
    Object.assign(this, { model, current, choose });
    this.entries = new Map();  // "channel:utterance" -> entry
    this.order = [];
    this.nodes = new Map();
    this.last = null;  // index behind the last entry shown; null: the newest
    this.list = h("ol", { class: "transcript", tabindex: "0", "aria-label": "Transcript" });
    this.earlier = h("button", { type: "button", class: "quiet more", onclick: () => this.#page(-1) }, "Earlier");
    this.later = h("button", { type: "button", class: "quiet more", onclick: () => this.#page(1) }, "Later");
    this.empty = h("p", { class: "soft" }, "What is said appears here. Words stay away where none were recognised with trust.");
    this.newest = h("button", { type: "button", class: "quiet newest", hidden: true, onclick: () => this.toNewest() }, "Newest");
    this.element = h("section", { class: "card said", "aria-labelledby": "said-title" },
      h("div", { class: "card-head" }, h("h2", { id: "said-title" }, "Transcript"), this.newest),
      this.empty, this.scroller = h("div", { class: "scroller" }, this.earlier, this.list, this.later));
    this.scroller.addEventListener("scroll", () => { this.newest.hidden = this.#atEnd; }, { passive: true });
    model.changed.clear();
    for (const side of model.sides) for (const utterance of side.segments.keys()) this.#take(side.number, utterance);
    this.order.sort((a, b) => a.start - b.start);
  }

  get #atEnd() {
    return this.last === null && this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < 60;
  }

  toNewest() {
    this.last = null;
    this.#show();
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Takes in what changed in the call. */
  update() {
    const follows = this.#atEnd;
    const { changed } = this.model;
    for (const key of changed) this.#take(...key.split(":").map(Number));
    const dirty = new Set(changed);
    changed.clear();
    this.#show(dirty);
    if (follows) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Brings the entry at a time into view; null: the newest. */
  reveal(time) {
    if (time === null) { this.toNewest(); return; }
    const key = this.current(), known = key ? this.order.findIndex((entry) => entry.key === key) : -1;
    const index = known < 0 ? this.indexAt(time) : known;
    const last = this.last ?? this.order.length;
    if (index >= last || index < last - STRETCH) this.last = Math.min(this.order.length, index + STRETCH / 2);
    this.#show();
    const node = this.nodes.get(this.order[index]?.key);
    if (!node) return;
    const top = node.offsetTop - this.scroller.offsetTop;
    if (top < this.scroller.scrollTop || top + node.offsetHeight > this.scroller.scrollTop + this.scroller.clientHeight) {
      this.scroller.scrollTop = top - this.scroller.clientHeight / 3;
    }
  }

  /** Index of the last entry that began before a time. */
  indexAt(time) {
    let low = 0, high = this.order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.order[middle].start <= time + 0.01) low = middle + 1; else high = middle;
    }
    return Math.max(0, low - 1);
  }

  #take(channel, utterance) {
    const side = this.model.channel(channel), segment = side.segments.get(utterance), key = `${channel}:${utterance}`;
    if (!segment || this.entries.has(key)) return;
    const entry = { key, side, utterance, start: segment.start, segment };
    this.entries.set(key, entry);
    let at = this.order.length;
    while (at && this.order[at - 1].start > entry.start) at--;
    this.order.splice(at, 0, entry);
  }

  #page(direction) {
    const height = this.scroller.scrollHeight, top = this.scroller.scrollTop;
    const last = Math.max(STRETCH, Math.min(this.order.length, (this.last ?? this.order.length) + direction * (STRETCH / 2)));
    this.last = last >= this.order.length ? null : last;
    this.#show();
    if (direction < 0) this.scroller.scrollTop = top + Math.max(0, this.scroller.scrollHeight - height);
  }

  #show(dirty = new Set()) {
    const last = this.last ?? this.order.length, first = Math.max(0, last - STRETCH);
    const shown = this.order.slice(first, last), wanted = new Set(shown.map((entry) => entry.key));
    for (const key of this.nodes.keys()) if (!wanted.has(key)) this.nodes.delete(key);
    for (const entry of shown) {
      const node = this.nodes.get(entry.key) ?? this.#node(entry);
      if (dirty.has(entry.key) || !this.nodes.has(entry.key)) this.#fill(node, entry);
      this.nodes.set(entry.key, node);
    }
    setChildren(this.list, shown.map((entry) => this.nodes.get(entry.key)));
    const current = this.current();
    for (const [key, node] of this.nodes) setAttribute(node.firstChild, "aria-current", key === current ? "true" : null);
    this.earlier.hidden = first === 0;
    this.later.hidden = last >= this.order.length;
    this.empty.hidden = this.order.length > 0;
    this.scroller.hidden = !this.order.length;
  }

  #node(entry) {
    const button = h("button", { type: "button", class: "utterance", onclick: () => this.choose(entry.start + 0.01, entry) });
    return h("li", {}, button);
  }

  #fill(node, { side, utterance, segment }) {
    const button = node.firstChild, score = side.utterances.get(utterance), scored = side.scored !== false;
    setAttribute(button, "data-side", scored ? "scored" : "timed");
    setAttribute(button, "data-emotion", score ? score.label ?? "unclear" : null);
    setAttribute(button, "data-strength", score?.label ? Math.max(1, Math.min(3, Math.ceil(score.confidence * 4) - 1)) : null);
    const head = h("span", { class: "head" }, h("span", { class: "role" }, roleName(side.role, side.number)), h("span", { class: "time" }, clock(segment.start)));
    if (!scored) {
      head.append(h("span", { class: "soft" }, segment.end === null ? "speaks" : `spoke ${lasting(Math.max(1, segment.end - segment.start))}`));
      button.replaceChildren(head);
      return;
    }
    if (score) head.append(h("span", { class: "emotion", "data-emotion": score.label ?? "unclear" }, h("span", { class: "swatch", "aria-hidden": "true" }), emotionName(score.label), score.label ? ` ${percent(score.confidence)}` : ""));
    const text = score?.text?.trim();
    button.replaceChildren(head, h("span", { class: text ? "text" : "text soft" }, text || (segment.end === null && !score?.final ? "…" : "No words")));
  }
}

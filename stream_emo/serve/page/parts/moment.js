// One moment: the score that holds there, what it rests on, and its explanation on demand.

import { request } from "../server.js";
import { h, replace, setAttribute, setText } from "../dom.js";
import { EMOTIONS, clock, emotionName, mood, percent } from "../format.js";
import { bar } from "./small.js";

export class Moment {
  constructor({ model, side, time }) {
    Object.assign(this, { model, side, time });
    this.title = h("h2", { id: "moment-title" }, "Newest utterance");
    this.when = h("span", { class: "soft" });
    this.quote = h("blockquote", { class: "quote" });
    this.bars = new Map(EMOTIONS.map((name) => [name, { meter: bar(emotionName(name)), share: h("span", { class: "share" }) }]));
    this.summary = h("p", { class: "soft" });
    this.weights = h("div", { class: "weights" });
    this.button = h("button", { type: "button", onclick: () => this.explain() }, "Explain this score");
    this.answer = h("div", { class: "explanation", "aria-live": "polite" });
    this.body = h("div", {},
      this.quote,
      h("ul", { class: "bars" }, [...this.bars].map(([name, { meter, share }]) => h("li", { class: "emotion", "data-emotion": name }, h("span", { class: "swatch", "aria-hidden": "true" }), h("span", { class: "name" }, emotionName(name)), meter.element, share))),
      this.summary, this.weights, this.button, this.answer);
    this.none = h("p", { class: "soft" }, "Nothing has been scored at this moment.");
    this.element = h("section", { class: "card moment", "aria-labelledby": "moment-title" }, h("div", { class: "card-head" }, this.title, this.when), this.none, this.body);
    this.shown = null;
  }

  /** The scored utterance at the chosen time, or the last before it. */
  get score() {
    const side = this.side(), time = this.time() ?? this.model.time;
    const { turns } = side;
    for (let at = turns.length - 1; at >= 0; at--) {
      if (turns[at].start > time + 0.02) continue;
      const score = side.utterances.get(turns[at].utterance);
      if (score) return score;
    }
    return null;
  }

  update() {
    const score = this.score;
    this.body.hidden = !score;
    this.none.hidden = Boolean(score);
    setText(this.title, this.time() === null ? "Newest utterance" : "Chosen utterance");
    setText(this.when, score ? `${clock(score.start)} – ${clock(score.end)}` : "");
    if (!score || score === this.shown) return;
    if (this.shown?.utterance !== score.utterance) this.answer.replaceChildren();
    this.shown = score;
    setText(this.quote, score.text?.trim() || (score.final ? "No words were recognised with trust." : "…"));
    setAttribute(this.quote, "data-emotion", score.label ?? "unclear");
    for (const [name, { meter, share }] of this.bars) {
      meter.set(score.probabilities[name] ?? 0);
      setText(share, percent(score.probabilities[name] ?? 0));
    }
    setText(this.summary, `${emotionName(score.label)}, ${mood(score.valence, score.arousal)}${score.final ? "" : "; not final yet"}`);
    const heard = percent(score.audio_weight), read = percent(score.text_weight);
    const [sound, words] = [bar("Share of the audio in the decision"), bar("Share of the text in the decision")];
    sound.set(score.audio_weight);
    words.set(score.text_weight);
    this.weights.replaceChildren(
      h("span", {}, "How it was said"), sound.element, h("span", { class: "share" }, heard),
      h("span", {}, "What was said"), words.element, h("span", { class: "share" }, read));
  }

  async explain() {
    const score = this.score;
    if (!score || this.button.disabled) return;
    this.button.disabled = true;
    this.answer.replaceChildren(h("p", { class: "soft" }, "Working it out …"));
    try {
      const time = (score.start + score.end) / 2;
      const result = await request("POST", `api/calls/${encodeURIComponent(this.model.id)}/explain`, { channel: score.channel, time });
      if (this.score?.utterance === score.utterance) replace(this.answer, explanation(result, score));
    } catch (error) {
      this.answer.replaceChildren(h("p", { class: "problem" }, error.message));
    } finally {
      this.button.disabled = false;
    }
  }
}

/** Which words and which stretches of audio carried the label: what is lost without them. */
function explanation(result, score) {
  const label = emotionName(result.label ?? score.label).toLowerCase();
  const most = (list) => Math.max(0.001, ...list.map((part) => Math.abs(part.weight)));
  const words = result.words ?? [], audio = result.audio ?? [];
  const strength = (part, list) => Math.round((3 * Math.abs(part.weight)) / most(list));
  return [
    words.length > 0 && h("div", {}, h("h3", {}, "Words"),
      h("p", { class: "carried" }, words.map((part) => [h("mark", { "data-strength": strength(part, words), "data-against": part.weight < 0, title: `${part.weight < 0 ? "speaks against" : "speaks for"} ${label}: ${part.weight.toFixed(2)}` }, part.text.trim()), " "]))),
    audio.length > 0 && h("div", {}, h("h3", {}, "Audio"),
      h("ol", { class: "stretches" }, audio.map((part) => h("li", { "data-strength": strength(part, audio), "data-against": part.weight < 0 },
        h("span", { class: "hidden" }, `${clock(part.start)} to ${clock(part.end)}: ${part.weight < 0 ? "against" : "for"}, ${part.weight.toFixed(2)}`),
        h("span", { "aria-hidden": "true" }, `${part.start.toFixed(1)} s`))))),
    h("p", { class: "soft" }, words.length || audio.length
      ? `Darker: without it, less speaks for ${label}. Dashed: without it, more does. Found by leaving each part out.`
      : "No part of this utterance can be told apart as the cause."),
  ];
}

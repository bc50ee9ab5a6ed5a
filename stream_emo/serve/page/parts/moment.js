// One moment: the score that holds there, what it rests on, and its explanation on demand.

import { request } from "../server.js";
import { h, replace, setAttribute, setText, svg } from "../dom.js";
import { EMOTIONS, clock, emotionName, mood, percent, signed } from "../format.js";
import { bar } from "./small.js";

export class Moment {
  constructor({ model, side, time, choose }) {
    Object.assign(this, { model, side, time, choose });
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
    this.button.disabled = !score.final;
    setText(this.button, score.final ? "Explain this score" : "Explained once it is final");
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
    const time = (score.start + score.end) / 2;
    if (this.time() === null) this.choose(time); // The next utterance does not take its place.
    this.button.disabled = true;
    this.answer.replaceChildren(h("p", { class: "soft" }, "Working it out …"));
    try {
      const result = await request("POST", `api/calls/${encodeURIComponent(this.model.id)}/explain`, { channel: score.channel, time });
      if (this.score?.utterance === score.utterance) replace(this.answer, explanation(result, score));
    } catch (error) {
      this.answer.replaceChildren(h("p", { class: "problem" }, error.message));
    } finally {
      this.button.disabled = !this.score?.final;
    }
  }
}

/** Which words and which stretches of audio carried the label: what it loses without them. */
function explanation(result, score) {
  const label = emotionName(result.label ?? score.label).toLowerCase(), words = result.words ?? [], audio = result.audio ?? [];
  const most = Math.max(0.001, ...words.map((word) => Math.abs(word.weight)));
  return [
    words.length > 0 && h("div", {}, h("h3", {}, "Words"), h("p", { class: "carried" }, words.map((word) => [
      h("mark", {
        "data-strength": Math.round((3 * Math.abs(word.weight)) / most), "data-against": word.weight < 0,
        title: `${word.weight < 0 ? "against" : "for"} ${label}: ${signed(word.weight)}`,
      }, word.text.trim()), " "]))),
    audio.length > 0 && h("div", {}, h("h3", {}, "Audio"), stretches(audio, label)),
    h("p", { class: "soft" }, words.length || audio.length
      ? `Dark words and bars upwards speak for ${label}; dashed words and bars downwards speak against it. Found by leaving each part out.`
      : "No part of this utterance stands out."),
  ];
}

/** The stretches of audio in time: bars upwards speak for the label, bars downwards against it. */
function stretches(audio, label) {
  const most = Math.max(0.001, ...audio.map((part) => Math.abs(part.weight))), half = 22;
  const strongest = audio.reduce((best, part) => (part.weight > best.weight ? part : best));
  const words = strongest.weight > 0 ? `${clock(strongest.start)}, second ${(strongest.start - audio[0].start).toFixed(1)}, speaks most for ${label}` : `nothing speaks for ${label}`;
  return [
    svg("svg", { class: "stretches", viewBox: `0 0 ${audio.length} ${2 * half}`, preserveAspectRatio: "none", role: "img", "aria-label": `Audio: ${words}` },
      svg("path", { class: "zero", d: `M0 ${half}H${audio.length}` }),
      audio.map((part, index) => {
        const tall = (Math.abs(part.weight) / most) * (half - 1);
        return svg("rect", { x: index + 0.08, width: 0.84, y: part.weight < 0 ? half : half - tall, height: tall, class: part.weight < 0 ? "against" : "for" });
      })),
    h("p", { class: "span", "aria-hidden": "true" }, h("span", {}, clock(audio[0].start)), h("span", {}, clock(audio[audio.length - 1].end))),
  ];
}

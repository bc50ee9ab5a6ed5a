// The easiest way in: the browser's microphone, or a recording.

import { request } from "../server.js";
import { h, setText } from "../dom.js";
import { bar } from "../parts/small.js";

export function tryView({ root, microphone, store }) {
  const button = h("button", { type: "button", class: "primary large", onclick: () => toggle() });
  const level = bar("Level of the microphone");
  const watch = h("p", { hidden: true });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const upload = recording(store);
  root.append(
    h("div", { class: "heading" }, h("h1", {}, "Try it")),
    h("div", { class: "pair" },
      h("section", { class: "card try", "aria-labelledby": "mic-title" },
        h("h2", { id: "mic-title" }, "Your microphone"),
        h("p", {}, "You are the customer of a call with one side. The audio goes to this server only, and is not stored."),
        button, level.element, watch, problem),
      upload));

  async function toggle() {
    problem.hidden = true;
    if (microphone.call) { microphone.stop(); return; }
    button.disabled = true;
    try {
      const id = await microphone.start();
      await store.known(id);
      location.hash = `#/call/${encodeURIComponent(id)}`;
    } catch (error) {
      problem.hidden = false;
      setText(problem, error.message);
    } finally {
      button.disabled = false;
      update();
    }
  }

  function update() {
    setText(button, microphone.call ? "Stop the microphone" : "Use the microphone");
    level.element.hidden = watch.hidden = !microphone.call;
    if (microphone.call && !watch.childElementCount) watch.append(h("a", { href: `#/call/${encodeURIComponent(microphone.call)}` }, "Watch the call"));
    if (!microphone.call && microphone.problem) { problem.hidden = false; setText(problem, microphone.problem); }
  }

  const ticking = setInterval(() => level.set(Math.min(1, 4 * microphone.level)), 100);
  return { title: "Try it", update, destroy: () => clearInterval(ticking) };
}

function recording(store) {
  const file = h("input", { type: "file", id: "file", accept: "audio/*,video/mp4,.wav,.mp3,.flac,.ogg,.opus,.m4a", required: true });
  const sides = h("select", { id: "sides" },
    h("option", { value: "customer=0" }, "One voice: the customer"),
    h("option", { value: "agent=0,customer=1" }, "Two channels: agent left, customer right"),
    h("option", { value: "customer=0,agent=1" }, "Two channels: customer left, agent right"));
  const state = h("p", { role: "status" });
  const button = h("button", { class: "primary" }, "Analyse");
  async function send(event) {
    event.preventDefault();
    button.disabled = true;
    setText(state, "The recording is on its way.");
    try {
      const answer = await request("POST", `api/recordings?call=${encodeURIComponent(sides.value)}`, file.files[0]);
      const id = answer?.id ?? answer?.call;
      if (id) await store.known(id);
      if (id) location.hash = `#/call/${encodeURIComponent(id)}`;
      else setText(state, "The recording was taken; it is in the list of calls.");
    } catch (error) {
      setText(state, `The recording was not taken: ${error.message}`);
    } finally {
      button.disabled = false;
    }
  }
  return h("section", { class: "card try", "aria-labelledby": "file-title" },
    h("h2", { id: "file-title" }, "A recording"),
    h("form", { onsubmit: send },
      h("p", {}, "A call is analysed as if it were live. Only the customer is scored."),
      h("label", { for: "file" }, "File"), file, h("label", { for: "sides" }, "Who is on it"), sides,
      h("div", { class: "actions" }, button), state));
}

// Dialogs: the keys, the token, a question.

import { h } from "../dom.js";

const KEYS = [
  ["1  2  3", "Calls, wallboard, try it"],
  ["J  K", "Next or previous call in the list"],
  ["Space", "Pause the call's picture, or go on"],
  ["← →", "Back or on by 5 s (with Shift by 30 s)"],
  ["L", "Back to live"],
  ["+ −", "Show less or more time"],
  ["E", "Explain the chosen moment"],
  ["N", "Write a note"],
  ["?", "These keys"],
];

/** Whether keys without a modifier act; a user of speech input can switch them off (WCAG 2.1.4). */
export function shortcutsOn() {
  try { return localStorage.getItem("shortcuts") !== "off"; } catch { return true; }
}

function open(...children) {
  const dialog = h("dialog", { "aria-labelledby": "dialog-title", onclose: () => dialog.remove() }, ...children);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export function showKeys() {
  if (document.querySelector("dialog")) return;
  const choice = h("input", {
    type: "checkbox", checked: shortcutsOn(),
    onchange: () => { try { localStorage.setItem("shortcuts", choice.checked ? "on" : "off"); } catch { /* not kept */ } },
  });
  const dialog = open(
    h("h2", { id: "dialog-title" }, "Keys"),
    h("dl", { class: "keys" }, KEYS.map(([key, does]) => h("div", {}, h("dt", {}, key.split("  ").map((k) => h("kbd", {}, k))), h("dd", {}, does)))),
    h("label", { class: "check" }, choice, "Single keys act"),
    h("div", { class: "actions" }, h("button", { type: "button", class: "primary", autofocus: true, onclick: () => dialog.close() }, "Close")),
  );
}

export function askForToken(given) {
  if (document.querySelector("dialog")) return;
  const field = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
  open(
    h("form", { method: "dialog", onsubmit: () => given(field.value.trim()) },
      h("h2", { id: "dialog-title" }, "Access token"),
      h("p", {}, "This server asks for a token; its operator has it. It is kept until this tab is closed."),
      h("label", { for: "token" }, "Token"), field,
      h("div", { class: "actions" }, h("button", { class: "primary" }, "Sign in"))),
  );
}

/** Asks before something that cannot be undone; resolves to true or false. */
export function confirmed(question, explanation, action) {
  return new Promise((resolve) => {
    let answer = false;
    const dialog = open(
      h("h2", { id: "dialog-title" }, question),
      h("p", {}, explanation),
      h("div", { class: "actions" },
        h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Cancel"),
        h("button", { type: "button", class: "danger", onclick: () => { answer = true; dialog.close(); } }, action)),
    );
    dialog.addEventListener("close", () => resolve(answer));
  });
}

// The page: routes, theme, connection state, keys. Views are in views/, what they share in parts/.

import { token } from "./server.js";
import { announce, h, setAttribute, setText } from "./dom.js";
import { roleName } from "./format.js";
import { Microphone } from "./microphone.js";
import { askForToken, showKeys, shortcutsOn } from "./parts/dialogs.js";
import { Store } from "./store.js";
import { callView } from "./views/call.js";
import { listView } from "./views/list.js";
import { summaryView } from "./views/summary.js";
import { tryView } from "./views/try.js";
import { wallView } from "./views/wall.js";

const VIEWS = { list: listView, wall: wallView, call: callView, summary: summaryView, try: tryView };
const UPDATE_MS = 200;

const main = document.getElementById("main");
const store = new Store();
const microphone = new Microphone();
let view = null, scheduled = false, updatedAt = 0, loads = 0;

function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  return { name: VIEWS[name] ? name : "list", id: decodeURIComponent(rest.join("/")) };
}

function show() {
  if (location.hash === "#main") return;
  const { name, id } = route();
  view?.destroy?.();
  main.replaceChildren();
  main.className = `view-${name}`;
  document.body.dataset.view = name;
  for (const link of document.querySelectorAll("nav [data-route]")) {
    setAttribute(link, "aria-current", link.dataset.route === name ? "page" : null);
  }
  view = VIEWS[name]({ root: main, store, microphone, id, refresh });
  update();
  if (loads++) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

function refresh() {
  if (scheduled) return;
  scheduled = true;
  const wait = Math.max(0, updatedAt + UPDATE_MS - performance.now());
  setTimeout(() => requestAnimationFrame(update), wait);
}

/** What the user did shows at once, not with the next events. */
refresh.now = () => update();

function update() {
  scheduled = false;
  updatedAt = performance.now();
  view?.update?.();
  const alerts = store.sorted.filter((item) => item.live && item.alerts?.length).length;
  document.title = `${alerts ? `(${alerts}) ` : ""}${view?.title ?? "Calls"} – stream_emo`;
}

function showConnection() {
  const connection = document.getElementById("connection");
  const [state, text] = store.state === "open" ? ["open", "Live"]
    : store.state === "closed" ? ["closed", "Reconnecting"] : ["connecting", "Connecting"];
  setAttribute(connection, "data-state", state);
  setText(connection, text);
}

function showMicrophone() {
  const bar = document.getElementById("onair");
  bar.hidden = !microphone.call;
  if (!microphone.call) return;
  bar.replaceChildren(
    h("span", { class: "pulse", "aria-hidden": "true" }),
    h("span", {}, "The microphone is on."),
    h("a", { href: `#/call/${encodeURIComponent(microphone.call)}` }, "Watch it"),
    h("button", { type: "button", onclick: () => microphone.stop() }, "Stop"),
  );
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !shortcutsOn()) return;
  if (event.target.closest("input, textarea, select, dialog, [contenteditable]")) return;
  if (event.key === "?") showKeys();
  else if (event.key === "1") location.hash = "#/";
  else if (event.key === "2") location.hash = "#/wall";
  else if (event.key === "3") location.hash = "#/try";
  else if (!view?.key?.(event)) return;
  event.preventDefault();
}

function setUpTheme() {
  const select = document.getElementById("theme");
  select.value = document.documentElement.dataset.theme ?? "auto";
  select.addEventListener("change", () => {
    try { localStorage.setItem("theme", select.value); } catch { /* holds for this page only */ }
    if (select.value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = select.value;
    view?.repaint?.();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => view?.repaint?.());
}

/** Paper is white and narrow: pictures are drawn anew for it, as a canvas keeps its colours and its width. */
function setUpPrinting() {
  const { dataset } = document.documentElement;
  let before;
  addEventListener("beforeprint", () => {
    before = dataset.theme;
    dataset.theme = "light";
    dataset.printing = "";
    view?.repaint?.();
  });
  addEventListener("afterprint", () => {
    delete dataset.printing;
    if (before) dataset.theme = before; else delete dataset.theme;
    view?.repaint?.();
  });
}

store.addEventListener("change", () => { showConnection(); refresh(); });
store.addEventListener("alert", ({ detail: { model, alert } }) => {
  announce(`Alert in call ${model.id}, ${roleName(model.channel(alert.channel).role, alert.channel)}: ${alert.hint || alert.rule}`);
});
microphone.addEventListener("change", () => { showMicrophone(); refresh(); });
document.addEventListener("token-wanted", () => askForToken((value) => { token.set(value); location.reload(); }));
document.addEventListener("keydown", keys);
document.getElementById("keys").addEventListener("click", showKeys);
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
addEventListener("hashchange", show);
setUpTheme();
setUpPrinting();
store.start();
show();

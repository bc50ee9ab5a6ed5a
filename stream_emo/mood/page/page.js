"use strict";
// The live state, pauses, notes and erasing; the report itself needs no script.

const POLL_MS = 3000;
const element = (id) => document.getElementById(id);

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  if (answer.status === 204) return null;
  if (answer.ok) return answer.json();
  const text = await answer.text();
  let reason = text;
  try { reason = JSON.parse(text).error; } catch { /* It was plain text. */ }
  throw new Error(reason);
}

function show(now) {
  document.body.dataset.state = now.state;
  if (element("headline").textContent !== now.headline) element("headline").textContent = now.headline;
  element("details").replaceChildren(...now.details.map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
  const runs = now.state !== "not running";
  for (const button of document.querySelectorAll("[data-pause]")) button.disabled = !runs || now.state === "paused";
  element("resume").disabled = now.state !== "paused";
}

async function refresh(path = "/api/status", body = undefined) {
  try {
    show(await ask(path, body));
  } catch (error) {
    show({ state: "unknown", headline: `this page has lost its program: ${error.message}`, details: [] });
  }
}

for (const button of document.querySelectorAll("[data-pause]")) {
  const minutes = button.dataset.pause ? Number(button.dataset.pause) : null;
  button.addEventListener("click", () => refresh("/api/pause", { minutes }));
}
element("resume").addEventListener("click", () => refresh("/api/resume", {}));

element("note").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const mood = form.get("mood");
  try {
    await ask("/api/note", { mood: mood ? Number(mood) : null, text: form.get("words") || null });
    event.target.reset();
    element("noted").textContent = "Noted. The report shows it once the page is loaded again.";
  } catch (error) {
    element("noted").textContent = error.message;
  }
});

function sure(what, body) {
  element("sure-what").textContent = `Erase ${what}? There is no way back.`;
  element("sure-yes").onclick = async () => {
    element("sure").close();
    try {
      await ask("/api/erase", body);
      location.reload();
    } catch (error) {
      element("erased").textContent = error.message;
    }
  };
  element("sure").showModal();
}
element("sure-no").addEventListener("click", () => element("sure").close());
element("erase-all").addEventListener("click", () => sure("everything", {}));
element("erase-before").addEventListener("click", () => {
  const before = element("before").value;
  if (before) sure(`everything before ${before}`, { before });
  else element("erased").textContent = "Choose a day first.";
});

const days = document.querySelector("main").dataset.days;
for (const link of document.querySelectorAll("nav a")) {
  if (new URL(link.href).searchParams.get("days") === days) link.setAttribute("aria-current", "true");
}

refresh();
setInterval(() => { if (!document.hidden) refresh(); }, POLL_MS);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

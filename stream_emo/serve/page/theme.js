// Sets the chosen theme before the first paint; a classic script, so that it runs before the body is parsed.
(() => {
  let chosen = "auto";
  try { chosen = localStorage.getItem("theme") || "auto"; } catch { /* storage is switched off: follow the system */ }
  if (chosen !== "auto") document.documentElement.dataset.theme = chosen;
})();

"use strict";
// While an episode is being made, poll its state, and reload the page when it changed.
// A page in which somebody has begun to type is not reloaded.
{
  const line = document.querySelector("[data-dailycast-url]");
  const forms = [...document.querySelectorAll("form")];
  let isEdited = false;
  for (const form of forms) form.addEventListener("input", () => { isEdited = true; });

  const poll = async () => {
    try {
      const response = await fetch(line.dataset.dailycastUrl, { credentials: "same-origin" });
      const state = response.ok ? await response.json() : null;
      if (state && state.text !== line.textContent.trim()) {
        if (!isEdited) return window.location.reload();
        line.textContent = state.text;
      }
    } catch {
      // no answer: try again
    }
    window.setTimeout(poll, 2000);
  };
  if (line) window.setTimeout(poll, 1000);
}

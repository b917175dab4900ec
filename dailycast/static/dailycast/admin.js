"use strict";
// While an episode is being made, ask for its state, and show the page anew when it changed.
// A page in which somebody has begun to type is left alone.
{
  const line = document.querySelector("[data-dailycast-url]");
  const forms = [...document.querySelectorAll("form")];
  let typed = false;
  for (const form of forms) form.addEventListener("input", () => { typed = true; });

  const ask = async () => {
    try {
      const answer = await fetch(line.dataset.dailycastUrl, { credentials: "same-origin" });
      const state = answer.ok ? await answer.json() : null;
      if (state && state.text !== line.textContent.trim()) {
        if (!typed) return window.location.reload();
        line.textContent = state.text;
      }
    } catch {
      // the server does not answer: ask again later
    }
    window.setTimeout(ask, 2000);
  };
  if (line) window.setTimeout(ask, 1000);
}

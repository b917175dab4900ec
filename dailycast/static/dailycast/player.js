"use strict";
// The player, on top of the browser's own <audio>, which also works without this file: sentences and chapters that seek,
// speeds, keyboard shortcuts, a saved position. Then the rest of the learner's pages: a status to poll, a link to copy.
// A page may load this file twice, once for each player; elements that are set up already are skipped.
{
  const SPEED_KEY = "dailycast-speed"; // in localStorage
  const SHORTCUTS_KEY = "dailycast-keys";
  const SAVE_INTERVAL = 10000; // ms between two saves of the position while it plays
  const SCROLL_PAUSE = 8000; // ms without automatic scrolling after the learner scrolled
  const POLL_INTERVAL = 2000; // ms
  const players = [];

  const readSetting = (key) => {
    try { return window.localStorage.getItem(key); } catch { return null; } // the browser may forbid it
  };
  const saveSetting = (key, value) => {
    try { window.localStorage.setItem(key, value); } catch { /* forbidden: it is used on this page only */ }
  };
  let shortcutsEnabled = readSetting(SHORTCUTS_KEY) !== "off";
  const formatTime = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const formatText = (text, values) => text.replace(/\{(\w+)\}/g, (placeholder, name) => values[name] ?? placeholder);

  const sendPosition = (url, token, seconds, keepalive) => fetch(url, {
    method: "PUT",
    keepalive,
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token },
    body: JSON.stringify({ seconds }),
  });

  class Player {
    constructor(root) {
      this.root = root;
      this.audio = root.querySelector("audio");
      this.texts = root.dataset; // translated
      this.savedPosition = Number(root.dataset.position);
      this.isUsed = false; // played or sought by the learner; before that there is no position to save
      this.hasSought = this.isResuming = false; // the learner chose a position; the next seek is not the learner's
      this.savedAt = this.scrollPausedUntil = 0;
      this.script = root.querySelector(".dailycast-script");
      this.sentences = this.buttons(".dailycast-cues > li");
      this.chapters = this.buttons(".dailycast-chapters > li");
      this.speeds = [...root.querySelectorAll("[data-rate]")];
      this.keys = root.querySelector(".dailycast-keys");
      this.addListeners();
      this.showControls();
      this.setSpeed(Number(readSetting(SPEED_KEY)) || 1);
    }

    // Turns the items of a list into buttons that seek. The HTML has none, because they need this script.
    buttons(selector) {
      return [...this.root.querySelectorAll(selector)].map((item) => {
        const button = document.createElement("button");
        button.type = "button";
        button.append(...item.childNodes);
        button.addEventListener("click", () => this.playFrom(Number(item.dataset.start)));
        item.append(button);
        return { start: Number(item.dataset.start), button };
      });
    }

    showControls() {
      this.root.querySelector(".dailycast-controls").hidden = false;
      this.keys.hidden = false;
      this.keys.querySelector("input").checked = shortcutsEnabled;
      if (this.sentences.length) this.script.classList.add("dailycast-follows");
    }

    addListeners() {
      const { audio, root } = this;
      const on = (names, handler, target = audio) => names.split(" ").forEach((name) => target.addEventListener(name, handler));
      on("timeupdate seeking", () => this.onTimeUpdate());
      on("play", () => this.onPlay());
      on("pause ended", () => this.savePosition());
      on("seeked", () => this.onSeeked());
      on("ratechange", () => this.showSpeed());
      on("error", () => this.announce(this.texts.failed));
      on("pagehide", () => this.savePosition(true), window);
      on("visibilitychange", () => document.hidden && this.savePosition(true), document); // often the last event on a phone
      on("wheel touchmove pointerdown keydown", () => { this.scrollPausedUntil = Date.now() + SCROLL_PAUSE; }, this.script ?? root);
      on("change", (event) => this.enableShortcuts(event.target.checked), this.keys.querySelector("input"));
      for (const button of root.querySelectorAll("[data-skip]")) on("click", () => this.skip(Number(button.dataset.skip)), button);
      for (const button of this.speeds) on("click", () => this.chooseSpeed(Number(button.dataset.rate)), button);
      audio.readyState ? this.resume() : audio.addEventListener("loadedmetadata", () => this.resume(), { once: true });
    }

    announce(text) {
      this.root.querySelector(".dailycast-said").textContent = text;
    }

    // Position

    resume() {
      const seconds = this.savedPosition;
      const isAtEdge = seconds < 1 || seconds > this.audio.duration - 5; // hardly begun, or heard to its end
      if (this.hasSought || isAtEdge) return;
      this.isResuming = true;
      this.audio.currentTime = seconds;
      this.announce(formatText(this.texts.resumed, { time: formatTime(seconds) }));
    }

    onPlay() {
      this.isUsed = true;
      for (const other of players) if (other !== this) other.audio.pause();
      this.updateMediaSession();
    }

    // Also called for the browser's own seek bar, which works while the audio is paused.
    onSeeked() {
      if (!this.isResuming) this.isUsed = true;
      this.isResuming = false;
      this.savePosition();
    }

    playFrom(seconds) {
      this.seek(seconds);
      this.scrollPausedUntil = 0;
      this.play();
    }

    play() {
      this.audio.play().catch(() => {}); // the "error" event announces it
    }

    toggle() {
      this.audio.paused ? this.play() : this.audio.pause();
    }

    seek(seconds) {
      this.isUsed = this.hasSought = true;
      this.audio.currentTime = Math.min(Math.max(seconds, 0), this.audio.duration || seconds);
    }

    skip(seconds) {
      this.seek(this.audio.currentTime + seconds);
    }

    onTimeUpdate() {
      this.markCurrent(this.chapters);
      const sentence = this.markCurrent(this.sentences);
      if (sentence) this.scrollTo(sentence);
      if (Date.now() - this.savedAt >= SAVE_INTERVAL && !this.audio.paused) this.savePosition();
    }

    // The last part that has begun is the current one. 0.05 s of tolerance, because players round the time.
    // Returns it if it changed.
    markCurrent(parts) {
      const current = parts.findLast((part) => part.start <= this.audio.currentTime + 0.05);
      const previous = parts.find((part) => part.button.hasAttribute("aria-current"));
      if (current === previous) return null;
      previous?.button.removeAttribute("aria-current");
      current?.button.setAttribute("aria-current", "true");
      return current;
    }

    scrollTo(sentence) {
      if (Date.now() < this.scrollPausedUntil) return;
      const top = sentence.button.offsetTop - this.script.clientHeight / 3;
      const reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.script.scrollTo({ top, behavior: reducedMotion ? "instant" : "smooth" });
    }

    async savePosition(isLeaving = false) {
      const { positionUrl, csrf } = this.root.dataset;
      const seconds = this.audio.currentTime;
      if (!this.isUsed || !positionUrl || !csrf || Math.abs(seconds - this.savedPosition) < 0.5) return;
      [this.savedPosition, this.savedAt] = [seconds, Date.now()];
      try {
        const response = await sendPosition(positionUrl, csrf, seconds, isLeaving);
        if (!response.ok) throw new Error(response.statusText);
        if ((await response.json()).heard) this.showHeard();
      } catch {
        this.savedPosition = -1; // not saved: the next call tries again
      }
    }

    showHeard() {
      const mark = this.root.querySelector(".dailycast-heard");
      if (mark.hidden) this.announce(this.texts.heard);
      mark.hidden = false;
    }

    // Speed

    chooseSpeed(speed) {
      this.setSpeed(speed);
      saveSetting(SPEED_KEY, speed);
      this.announce(formatText(this.texts.speed, { speed: `${speed}×` }));
    }

    setSpeed(speed) {
      this.audio.defaultPlaybackRate = this.audio.playbackRate = speed;
      this.showSpeed();
    }

    showSpeed() {
      for (const button of this.speeds) {
        button.setAttribute("aria-pressed", String(Number(button.dataset.rate) === this.audio.playbackRate));
      }
    }

    // Lock screen and headset buttons

    updateMediaSession() {
      if (!("mediaSession" in navigator)) return;
      const { title, show, cover } = this.root.dataset;
      const artwork = cover ? [{ src: cover }] : [];
      navigator.mediaSession.metadata = new MediaMetadata({ title, artist: show, album: show, artwork });
      const actions = {
        seekbackward: ({ seekOffset }) => this.skip(-(seekOffset || 10)),
        seekforward: ({ seekOffset }) => this.skip(seekOffset || 30),
        seekto: ({ seekTime }) => this.seek(seekTime),
      };
      for (const [action, handler] of Object.entries(actions)) {
        try { navigator.mediaSession.setActionHandler(action, handler); } catch { /* the browser does not support it */ }
      }
    }

    // Keyboard shortcuts

    enableShortcuts(enabled) {
      shortcutsEnabled = enabled; // on this page also where localStorage is forbidden
      saveSetting(SHORTCUTS_KEY, enabled ? "on" : "off");
    }

    // Whether the key is a shortcut.
    handleKey(key) {
      const handler = {
        " ": () => this.toggle(),
        k: () => this.toggle(),
        j: () => this.skip(-10),
        l: () => this.skip(30),
        ArrowLeft: () => this.skip(-5),
        ArrowRight: () => this.skip(5),
      }[key.length === 1 ? key.toLowerCase() : key];
      handler?.();
      return Boolean(handler);
    }
  }

  // The player that a key is for: the one with the focus. If nothing has the focus: the one that plays, else the first.
  const playerFor = (target) => {
    const focused = players.find((player) => player.root.contains(target));
    const hasNoFocus = target === document.body || target.matches("main");
    return focused ?? (hasNoFocus ? players.find((player) => !player.audio.paused) ?? players[0] : undefined);
  };
  const isTextInput = (target) => target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox])");
  const HANDLES_SPACE = "button, a, summary, input, audio"; // elements with a use of their own for the key
  const HANDLES_ARROWS = "audio";

  const onKey = (event) => {
    const { key, target } = event;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTextInput(target)) return;
    if ((key === " " && target.matches(HANDLES_SPACE)) || (key.startsWith("Arrow") && target.matches(HANDLES_ARROWS))) return;
    if (shortcutsEnabled && playerFor(target)?.handleKey(key)) event.preventDefault();
  };

  for (const root of document.querySelectorAll(".dailycast-player:not([data-ready])")) {
    if (!root.querySelector("audio")) continue;
    root.dataset.ready = "";
    players.push(new Player(root));
  }
  if (players.length) document.addEventListener("keydown", onKey);

  // An episode that is being made

  // In place of a reload, which would interrupt a learner who is listening to another episode.
  const showReloadLink = (box) => {
    box.querySelector(".dailycast-busy").remove();
    box.querySelector("a").hidden = false;
  };

  const pollStatus = async (box) => {
    try {
      const response = await fetch(box.dataset.dailycastPoll, { credentials: "same-origin" });
      if (response.redirected || response.status === 404) return window.location.reload(); // signed out, or deleted
      const state = await response.json();
      const line = box.querySelector("[role=status]");
      if (line.textContent !== state.text) line.textContent = state.text;
      if (!state.in_the_making) return players.some((player) => player.isUsed) ? showReloadLink(box) : window.location.reload();
    } catch {
      // no answer, or no JSON: try again
    }
    window.setTimeout(pollStatus, POLL_INTERVAL, box);
  };

  for (const box of document.querySelectorAll("[data-dailycast-poll]:not([data-ready])")) {
    box.dataset.ready = "";
    window.setTimeout(pollStatus, POLL_INTERVAL, box);
  }

  // The private feed's link

  const copy = async (button) => {
    const field = document.getElementById(button.dataset.dailycastCopy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy"); // the clipboard API needs https
    }
    button.closest("section").querySelector("[role=status]").textContent = button.dataset.copied;
  };

  for (const button of document.querySelectorAll("[data-dailycast-copy]:not([data-ready])")) {
    button.dataset.ready = "";
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

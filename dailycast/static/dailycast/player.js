"use strict";
// The player on top of the browser's own <audio>, which does without any of this: sentences and chapters that seek, speeds,
// keys, a place to go on from. Then the rest of the learner's pages: a state to watch, a link to copy.
// A page may load this file twice (each player brings it); what stands already is left alone.
{
  const SPEED = "dailycast-speed";
  const KEYS = "dailycast-keys";
  const KEEP_EVERY = 10000; // ms between two times that the place is kept while it plays
  const HANDS_OFF = 8000; // ms for which the text is not moved after somebody moved it
  const ASK_EVERY = 2000; // ms between two looks at an episode in the making
  const players = [];

  const remembered = (key) => {
    try { return window.localStorage.getItem(key); } catch { return null; } // the browser may forbid it
  };
  const remember = (key, value) => {
    try { window.localStorage.setItem(key, value); } catch { /* then it is not remembered */ }
  };
  let usesKeys = remembered(KEYS) !== "off";
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

  const send = (url, token, seconds, keepalive) => fetch(url, {
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
      this.words = root.dataset; // translated
      this.kept = Number(root.dataset.position);
      this.moved = false; // by the learner: until then there is nothing to keep
      this.sought = this.resuming = false; // a place was chosen; the next seek is our own
      this.keptAt = this.leaveUntil = 0;
      this.script = root.querySelector(".dailycast-script");
      this.sentences = this.buttons(".dailycast-cues > li");
      this.chapters = this.buttons(".dailycast-chapters > li");
      this.speeds = [...root.querySelectorAll("[data-rate]")];
      this.keys = root.querySelector(".dailycast-keys");
      this.listen();
      this.show();
      this.setSpeed(Number(remembered(SPEED)) || 1);
    }

    // A list of what begins when becomes a list of buttons: without this script they would do nothing.
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

    show() {
      this.root.querySelector(".dailycast-controls").hidden = false;
      this.keys.hidden = false;
      this.keys.querySelector("input").checked = usesKeys;
      if (this.sentences.length) this.script.classList.add("dailycast-follows");
    }

    listen() {
      const { audio, root } = this;
      const on = (names, react, target = audio) => names.split(" ").forEach((name) => target.addEventListener(name, react));
      on("timeupdate seeking", () => this.tick());
      on("play", () => this.begin());
      on("pause ended", () => this.keep());
      on("seeked", () => this.arrive());
      on("ratechange", () => this.showSpeed());
      on("error", () => this.say(this.words.failed));
      on("pagehide", () => this.keep(true), window);
      on("visibilitychange", () => document.hidden && this.keep(true), document); // phones often tell no more than this
      on("wheel touchmove pointerdown keydown", () => { this.leaveUntil = Date.now() + HANDS_OFF; }, this.script ?? root);
      on("change", (event) => this.setKeys(event.target.checked), this.keys.querySelector("input"));
      for (const button of root.querySelectorAll("[data-skip]")) on("click", () => this.skip(Number(button.dataset.skip)), button);
      for (const button of this.speeds) on("click", () => this.chooseSpeed(Number(button.dataset.rate)), button);
      audio.readyState ? this.resume() : audio.addEventListener("loadedmetadata", () => this.resume(), { once: true });
    }

    say(text) {
      this.root.querySelector(".dailycast-said").textContent = text;
    }

    // Where it plays

    resume() {
      const at = this.kept;
      if (this.sought || at < 1 || at > this.audio.duration - 5) return; // chosen already; hardly begun; heard to its end
      this.resuming = true;
      this.audio.currentTime = at;
      this.say(fill(this.words.resumed, { time: clock(at) }));
    }

    begin() {
      this.moved = true;
      for (const other of players) if (other !== this) other.audio.pause();
      this.tellSystem();
    }

    // Also by the browser's own bar, which moves a player that does not play.
    arrive() {
      if (!this.resuming) this.moved = true;
      this.resuming = false;
      this.keep();
    }

    playFrom(seconds) {
      this.seek(seconds);
      this.leaveUntil = 0;
      this.play();
    }

    play() {
      this.audio.play().catch(() => {}); // "error" tells what there is to tell
    }

    toggle() {
      this.audio.paused ? this.play() : this.audio.pause();
    }

    seek(seconds) {
      this.moved = this.sought = true;
      this.audio.currentTime = Math.min(Math.max(seconds, 0), this.audio.duration || seconds);
    }

    skip(seconds) {
      this.seek(this.audio.currentTime + seconds);
    }

    tick() {
      this.mark(this.chapters);
      const sentence = this.mark(this.sentences);
      if (sentence) this.follow(sentence);
      if (Date.now() - this.keptAt >= KEEP_EVERY && !this.audio.paused) this.keep();
    }

    // The last one that has begun is current. A hair's breadth of it may be missing: players round.
    mark(parts) {
      const now = parts.findLast((part) => part.start <= this.audio.currentTime + 0.05);
      const before = parts.find((part) => part.button.hasAttribute("aria-current"));
      if (now === before) return null;
      before?.button.removeAttribute("aria-current");
      now?.button.setAttribute("aria-current", "true");
      return now;
    }

    follow(sentence) {
      if (Date.now() < this.leaveUntil) return;
      const top = sentence.button.offsetTop - this.script.clientHeight / 3;
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.script.scrollTo({ top, behavior: calm ? "instant" : "smooth" });
    }

    async keep(leaving = false) {
      const { positionUrl, csrf } = this.root.dataset;
      const at = this.audio.currentTime;
      if (!this.moved || !positionUrl || !csrf || Math.abs(at - this.kept) < 0.5) return;
      [this.kept, this.keptAt] = [at, Date.now()];
      try {
        const answer = await send(positionUrl, csrf, at, leaving);
        if (!answer.ok) throw new Error(answer.statusText);
        if ((await answer.json()).heard) this.showHeard();
      } catch {
        this.kept = -1; // it is not kept: the next time tries again
      }
    }

    showHeard() {
      const mark = this.root.querySelector(".dailycast-heard");
      if (mark.hidden) this.say(this.words.heard);
      mark.hidden = false;
    }

    // How fast

    chooseSpeed(speed) {
      this.setSpeed(speed);
      remember(SPEED, speed);
      this.say(fill(this.words.speed, { speed: `${speed}×` }));
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

    // The lock screen, the keys of a headset

    tellSystem() {
      if (!("mediaSession" in navigator)) return;
      const { title, show, cover } = this.root.dataset;
      const artwork = cover ? [{ src: cover }] : [];
      navigator.mediaSession.metadata = new MediaMetadata({ title, artist: show, album: show, artwork });
      const actions = {
        seekbackward: ({ seekOffset }) => this.skip(-(seekOffset || 10)),
        seekforward: ({ seekOffset }) => this.skip(seekOffset || 30),
        seekto: ({ seekTime }) => this.seek(seekTime),
      };
      for (const [action, react] of Object.entries(actions)) {
        try { navigator.mediaSession.setActionHandler(action, react); } catch { /* this system does not know it */ }
      }
    }

    // Keys

    setKeys(on) {
      usesKeys = on; // for this page also where nothing can be remembered
      remember(KEYS, on ? "on" : "off");
    }

    press(key) {
      const react = {
        " ": () => this.toggle(),
        k: () => this.toggle(),
        j: () => this.skip(-10),
        l: () => this.skip(30),
        ArrowLeft: () => this.skip(-5),
        ArrowRight: () => this.skip(5),
      }[key.length === 1 ? key.toLowerCase() : key];
      react?.();
      return Boolean(react);
    }
  }

  // Whose key it is: the player in which the focus is, else the one that played last, if the focus is nowhere.
  const playerFor = (target) => {
    const inside = players.find((player) => player.root.contains(target));
    const nowhere = target === document.body || target.matches("main");
    return inside ?? (nowhere ? players.find((player) => !player.audio.paused) ?? players[0] : undefined);
  };
  const typing = (target) => target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox])");
  const takenBySpace = "button, a, summary, input, audio";
  const takenByArrows = "audio";

  const onKey = (event) => {
    const { key, target } = event;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(target)) return;
    if ((key === " " && target.matches(takenBySpace)) || (key.startsWith("Arrow") && target.matches(takenByArrows))) return;
    if (usesKeys && playerFor(target)?.press(key)) event.preventDefault();
  };

  for (const root of document.querySelectorAll(".dailycast-player:not([data-ready])")) {
    if (!root.querySelector("audio")) continue;
    root.dataset.ready = "";
    players.push(new Player(root));
  }
  if (players.length) document.addEventListener("keydown", onKey);

  // An episode in the making

  // Who listens to another episode meanwhile is not torn out of it.
  const offer = (box) => {
    box.querySelector(".dailycast-busy").remove();
    box.querySelector("a").hidden = false;
  };

  const watch = async (box) => {
    try {
      const answer = await fetch(box.dataset.dailycastPoll, { credentials: "same-origin" });
      if (answer.redirected || answer.status === 404) return window.location.reload(); // signed out, or it is gone
      const state = await answer.json();
      const line = box.querySelector("[role=status]");
      if (line.textContent !== state.text) line.textContent = state.text;
      if (!state.in_the_making) return players.some((player) => player.moved) ? offer(box) : window.location.reload();
    } catch {
      // the server does not answer, or not well: ask again later
    }
    window.setTimeout(watch, ASK_EVERY, box);
  };

  for (const box of document.querySelectorAll("[data-dailycast-poll]:not([data-ready])")) {
    box.dataset.ready = "";
    window.setTimeout(watch, ASK_EVERY, box);
  }

  // The private link

  const copy = async (button) => {
    const field = document.getElementById(button.dataset.dailycastCopy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy"); // a page without https has no clipboard
    }
    button.closest("section").querySelector("[role=status]").textContent = button.dataset.copied;
  };

  for (const button of document.querySelectorAll("[data-dailycast-copy]:not([data-ready])")) {
    button.dataset.ready = "";
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

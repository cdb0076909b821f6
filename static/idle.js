// Tells that the sign-in ends soon, keeps it while somebody types, and leads to the sign-in page at its end.
//
// The server alone knows when it ends: other tabs keep it up too, and a laptop sleeps. It is asked before anything is said.

import { announce } from "./announce.js";
import { UNATTENDED } from "./unattended.js";

const ASK_AGAIN_MS = 5000;
const TICK_MS = 500;

const bar = document.querySelector("[data-hold]");

if (bar) guard(bar);

function guard(root) {
  const words = root.querySelector("[data-words]");
  const form = root.querySelector("form");
  const atFirst = JSON.parse(root.dataset.hold);
  const warnMs = atFirst.warn_s * 1000;
  const stepMs = atFirst.step_s * 1000;
  let endsAt = 0;
  let seenAt = 0;
  let askedAt = 0;
  let stayedAt = 0;
  let busy = false;
  let stayNext = false;

  function learn({ left_s: leftS, seen_s: seenS, can_stay: canStay }) {
    endsAt = Date.now() + leftS * 1000;
    seenAt = Date.now() - seenS * 1000;
    form.hidden = !canStay;
  }

  async function ask(url, options) {
    if (busy) return;
    busy = true;
    askedAt = Date.now();
    try {
      const answer = await fetch(url, { redirect: "manual", ...options });
      if (answer.status === 401) return leave();
      if (answer.ok) learn(await answer.json());
    } catch {
      // Without a connection nothing is known: it is asked again.
    } finally {
      busy = false;
    }
    if (stayNext) return stay();
    show();
  }

  const look = () => ask(root.dataset.holdUrl, { headers: UNATTENDED });

  function stay() {
    stayedAt = Date.now();
    stayNext = busy;
    return ask(form.action, { method: "POST", body: new FormData(form) });
  }

  function leave() {
    location.replace(root.dataset.leaveUrl);
  }

  function show() {
    const leftMs = endsAt - Date.now();
    const soon = leftMs <= warnMs;
    if (soon && root.hidden) {
      announce(said(warnMs));
      document.dispatchEvent(new Event("ends-soon"));
    }
    root.hidden = !soon;
    if (soon) words.textContent = said(Math.max(leftMs, 0));
  }

  function said(leftMs) {
    const leftS = Math.ceil(leftMs / 1000);
    return words.dataset.words.replace("{n}", `${Math.floor(leftS / 60)}:${String(leftS % 60).padStart(2, "0")}`);
  }

  function tick() {
    if (endsAt - Date.now() > warnMs) return root.hidden || show();
    if (Date.now() - askedAt >= ASK_AGAIN_MS || (endsAt <= Date.now() && Date.now() - askedAt >= TICK_MS)) return look();
    return root.hidden || show();
  }

  function somebodyIsThere(event) {
    const [seenFor, triedFor] = [Date.now() - seenAt, Date.now() - stayedAt];
    if (event.isTrusted && seenFor >= stepMs && triedFor >= Math.min(stepMs, ASK_AGAIN_MS)) stay();
  }

  learn(atFirst);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    stay();
  });
  for (const kind of ["input", "keydown", "pointerdown"]) document.addEventListener(kind, somebodyIsThere, { passive: true });
  window.addEventListener("pageshow", (event) => event.persisted && look());
  setInterval(tick, TICK_MS);
}

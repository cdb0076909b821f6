// Asks for the parts of a page anew when the server says that something moved: soon, and then not again for a while.
//
// A part in which something is selected, or in whose rows a mouse is on its way, is left alone until that is over.

import { refreshParts } from "./parts.js";
import { UNATTENDED } from "./unattended.js";

const SOON_MS = 300;
export const AT_MOST_EVERY_MS = 5000;
const SLOWEST_MS = 60000;
const RESTS_AFTER_MS = 2000;
const LOOK_AGAIN_MS = 500;
const LEFT_ALONE_AT_MOST_MS = 30000;

// `url` is asked after `wanted()`, and after `everyMs` (0: never) in any case; never while nobody sees the page.
export function askingAnew({ url, everyMs, take }) {
  let isWanted = false;
  let timer = null;
  let askedAt = -Infinity;
  let pauseMs = AT_MOST_EVERY_MS;

  function plan() {
    if (!isWanted || timer !== null || document.hidden) return;
    timer = setTimeout(ask, Math.max(SOON_MS, askedAt + pauseMs - performance.now()));
  }

  async function ask() {
    isWanted = false;
    askedAt = performance.now();
    try {
      const answer = await fetch(url, { redirect: "manual", headers: UNATTENDED });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      take(await answer.text());
      pauseMs = AT_MOST_EVERY_MS;
    } catch {
      isWanted = true;
      pauseMs = Math.min(pauseMs * 2, SLOWEST_MS);
    }
    timer = null;
    plan();
  }

  function wanted() {
    isWanted = true;
    plan();
  }

  document.addEventListener("visibilitychange", plan);
  if (everyMs) setInterval(wanted, everyMs);
  return wanted;
}

// Shows what the server rendered last, each part as soon as nobody is busy with what it shows now.
export function calmParts(ids) {
  const isAimedAt = aim();
  let html = "";
  let told = 0;
  let left = [];
  let leftSince = 0;
  let timer = null;

  function settle() {
    clearTimeout(timer);
    const isLate = performance.now() - leftSince > LEFT_ALONE_AT_MOST_MS;
    const busy = isLate ? [] : left.filter((id) => isBusy(document.getElementById(id)));
    const seq = refreshParts(html, left.filter((id) => !busy.includes(id)), told);
    left = busy;
    if (left.length) timer = setTimeout(settle, LOOK_AGAIN_MS);
    return seq;
  }

  function isBusy(part) {
    const selection = document.getSelection();
    if (!part) return false;
    return (!selection.isCollapsed && selection.containsNode(part, true)) || isAimedAt(part);
  }

  return (fresh, seq) => {
    if (!left.length) leftSince = performance.now();
    // Nothing moved.
    if (!fresh) return seq;
    [html, told, left] = [fresh, seq, ids];
    return settle();
  };
}

function aim() {
  let at = null;
  let movedAt = -Infinity;
  document.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    at = event.target;
    movedAt = performance.now();
  });
  return (part) => performance.now() - movedAt < RESTS_AFTER_MS && part.querySelector("[data-live-rows]")?.contains(at);
}

// A table of refunds kept as the server sends it: each row whole, found by its reference, in the server's order.
//
// A change that comes twice, late or out of turn leaves the table as it should be: what is older than
// the change last applied to the same refund is dropped, and a row that is already so is left alone.
// No row moves away from under a mouse that is on its way to it: until it rests, rows come, go and change
// places later, while what stands in them is always what was told last. What has just come under a mouse that rests
// takes no click at first: nobody has seen it yet.

import { announce } from "./announce.js";
import { parseHtml, refocus } from "./parts.js";
import { reloadUnattended } from "./unattended.js";

const MARKED_MS = 6000;
const RESTS_AFTER_MS = 2000;
const SEEN_AFTER_MS = 700;
const ANNOUNCED_AFTER_MS = 1000;
const MOST_ANNOUNCED = 3;
const REMEMBERED = 2000;
const MOST_ROWS = 300;

export function liveRows(root) {
  const table = root.querySelector("[data-live-rows]");
  const body = table?.tBodies[0];
  const empty = root.querySelector("[data-empty]");
  const onOlderPage = "olderPage" in root.dataset;
  const hasOlder = "hasOlder" in root.dataset;
  const newer = newerLink(root.querySelector("[data-newer]"));
  const appliedAt = new Map();
  const waiting = new Map();
  const aim = aimOf(table, settle);
  const clicks = clicksOf(table);
  const tell = teller();

  function apply({ reference, html, at }, seq) {
    if (!body || seq < (appliedAt.get(reference) ?? 0)) return;
    remember(reference, seq);
    const shown = find(reference);
    const row = html === null ? null : parseRow(html, at);
    if (row === null) newer.forget(reference);
    if (row && shown) {
      stay(reference, shown);
      change(shown, row);
    } else {
      waiting.delete(reference);
      if (aim.isTaken()) wait(reference, row, shown);
      else place(row, shown);
    }
    showWhatThereIs();
  }

  function wait(reference, row, shown) {
    shown?.classList.add("leaving");
    if (row || shown) waiting.set(reference, row);
  }

  // One that was to go and does not any more. One that is to move still is.
  function stay(reference, shown) {
    if (waiting.get(reference) === null) waiting.delete(reference);
    shown.classList.remove("leaving");
  }

  function settle() {
    for (const [reference, row] of waiting) place(row, find(reference));
    waiting.clear();
    showWhatThereIs();
  }

  function place(row, shown) {
    clicks.waitAMoment();
    if (row && shown) move(shown);
    else if (row) enter(row);
    else if (shown) take(shown);
  }

  function showWhatThereIs() {
    table.hidden = body.rows.length === 0;
    if (empty) empty.hidden = !table.hidden;
  }

  function applyPolled(html) {
    const polled = parseHtml(`<table>${html}</table>`).querySelector("tbody[data-cursor]");
    if (!polled) throw new Error("no rows in the answer");
    const seq = Number(polled.dataset.cursor);
    for (const row of [...polled.rows]) {
      const gone = "gone" in row.dataset;
      apply({ reference: row.dataset.refund, html: gone ? null : row.outerHTML, at: row.dataset.at }, seq);
    }
    return seq;
  }

  function remember(reference, seq) {
    appliedAt.delete(reference);
    appliedAt.set(reference, seq);
    if (appliedAt.size > REMEMBERED) appliedAt.delete(appliedAt.keys().next().value);
  }

  function find(reference) {
    return body.querySelector(`:scope > tr[data-refund="${CSS.escape(reference)}"]`);
  }

  function change(shown, row) {
    if (sameRow(shown, row)) return;
    const stays = shown.dataset.at === row.dataset.at;
    refocus(shown, row, () => shown.replaceWith(row));
    if (!stays && aim.isTaken()) waiting.set(row.dataset.refund, row);
    else if (!stays) place(row, row);
    mark(row);
    tell(row);
  }

  function move(row) {
    refocus(row, row, () => {
      row.remove();
      body.insertBefore(row, firstOlderThan(row));
    });
  }

  function enter(row) {
    const next = firstOlderThan(row);
    const belongsOlder = next === null && hasOlder;
    const crowded = body.rows.length >= MOST_ROWS;
    const belongsNewer = next === (body.rows[0] ?? null) && (onOlderPage || crowded);
    if (belongsNewer && crowded && nobodyIsReading()) reloadUnattended();
    if (belongsNewer) newer.count(row.dataset.refund);
    if (belongsOlder || belongsNewer) return;
    body.insertBefore(row, next);
    mark(row);
    tell(row);
  }

  function take(shown) {
    if (shown.contains(document.activeElement)) {
      const neighbour = shown.nextElementSibling ?? shown.previousElementSibling;
      neighbour?.querySelector("a")?.focus({ preventScroll: true });
    }
    shown.remove();
  }

  function firstOlderThan(row) {
    return [...body.rows].find((other) => other.dataset.at < row.dataset.at) ?? null;
  }

  return { apply, applyPolled };
}

function parseRow(html, at) {
  const row = parseHtml(`<table><tbody>${html}</tbody></table>`).querySelector("tr");
  row.dataset.at ||= at;
  return document.importNode(row, true);
}

// Where a mouse is on its way to a row, or a finger was there; `rests` is called as soon as it is not so any more.
function aimOf(table, rests) {
  let timer = null;
  const end = () => {
    clearTimeout(timer);
    timer = null;
    rests();
  };
  const begin = () => {
    clearTimeout(timer);
    timer = setTimeout(end, RESTS_AFTER_MS);
  };
  table?.addEventListener("pointermove", (event) => event.pointerType === "mouse" && begin());
  table?.addEventListener("pointerdown", begin);
  table?.addEventListener("touchmove", begin, { passive: true });
  table?.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && timer !== null && end());
  return { isTaken: () => timer !== null };
}

// What somebody clicks without having moved the mouse since rows changed places may not be what they aimed at.
function clicksOf(table) {
  let changedAt = -Infinity;
  table?.addEventListener("pointermove", (event) => {
    if (event.movementX || event.movementY) changedAt = -Infinity;
  });
  const take = (event) => {
    const isByMouse = event.detail > 0;
    if (!isByMouse || performance.now() - changedAt > SEEN_AFTER_MS) return;
    event.preventDefault();
    event.stopPropagation();
  };
  table?.addEventListener("click", take, { capture: true });
  table?.addEventListener("auxclick", take, { capture: true });
  return { waitAMoment: () => (changedAt = performance.now()) };
}

// Says what changed, all of a moment at once, in the words of the rows themselves.
function teller() {
  const said = new Map();
  let timer = null;
  const say = () => {
    announce([...said.values()].slice(-MOST_ANNOUNCED).join("; "));
    said.clear();
    timer = null;
  };
  return (row) => {
    said.set(row.dataset.refund, ["money", "status"].map((name) => wordsIn(row, name)).join(" – "));
    timer ??= setTimeout(say, ANNOUNCED_AFTER_MS);
  };
}

function wordsIn(row, name) {
  return row.querySelector(`.col-${name}`)?.textContent.replace(/\s+/gu, " ").trim() ?? "";
}

function sameRow(shown, row) {
  const bare = shown.cloneNode(true);
  bare.removeAttribute("class");
  return bare.isEqualNode(row);
}

function mark(row) {
  row.classList.add("changed");
  setTimeout(() => row.classList.remove("changed"), MARKED_MS);
}

function nobodyIsReading() {
  return window.scrollY === 0 && document.activeElement === document.body;
}

function newerLink(link) {
  const references = new Set();
  const show = () => {
    if (!link) return;
    link.querySelector("[data-newer-count]").textContent = String(references.size);
    link.hidden = references.size === 0;
  };
  return {
    count(reference) {
      references.add(reference);
      show();
    },
    forget(reference) {
      references.delete(reference);
      show();
    },
  };
}

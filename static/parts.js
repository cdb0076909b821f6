// Parts of a page replaced by what the server rendered, leaving focus, scroll and opened folds where they are.

import { announce } from "./announce.js";

const appliedAt = new Map();

export function parseHtml(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

export function replaceParts(htmlById, seq) {
  for (const [id, html] of Object.entries(htmlById)) {
    const part = parseHtml(html).getElementById(id);
    if (part) replacePart(id, document.importNode(part, true), seq);
  }
}

export function refreshParts(html, ids, seq) {
  const page = parseHtml(html);
  for (const id of ids) {
    const part = page.getElementById(id);
    if (part) replacePart(id, document.importNode(part, true), seq);
  }
  return seq;
}

export function refocus(shown, fresh, replace) {
  const path = pathOfFocus(shown);
  replace();
  if (path === null) return;
  const controls = controlsOf(fresh);
  const target = path.id ? controls.find((control) => control.id === path.id) : controls[path.index];
  (target ?? controls[0])?.focus({ preventScroll: true });
}

function replacePart(id, fresh, seq) {
  const shown = document.getElementById(id);
  if (!shown || seq < (appliedAt.get(id) ?? 0)) return;
  appliedAt.set(id, seq);
  if (shown.isEqualNode(fresh)) return;
  const before = wordOf(shown);
  keepFoldsOpen(shown, fresh);
  refocus(shown, fresh, () => shown.replaceWith(fresh));
  const after = wordOf(fresh);
  if (after && after !== before) announce(after);
}

function wordOf(part) {
  return part.querySelector("[data-announce]")?.textContent.trim() ?? "";
}

// Entries are added at the top, so folds are matched from the bottom.
function keepFoldsOpen(shown, fresh) {
  const folds = [...fresh.querySelectorAll("details")].reverse();
  [...shown.querySelectorAll("details")].reverse().forEach((fold, index) => {
    if (fold.open && folds[index]) folds[index].open = true;
  });
}

function controlsOf(part) {
  return [...part.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
}

function pathOfFocus(part) {
  if (!part.contains(document.activeElement)) return null;
  return { id: document.activeElement.id, index: controlsOf(part).indexOf(document.activeElement) };
}

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
  const at = position(page, seq);
  for (const id of ids) {
    const part = page.getElementById(id);
    if (part) replacePart(id, document.importNode(part, true), at);
  }
  return at;
}

// Up to where the journal is told by what the server rendered, where it says so.
function position(page, otherwise) {
  return Number(page.querySelector("[data-cursor]")?.dataset.cursor ?? otherwise);
}

export function refocus(shown, fresh, replace) {
  const path = pathOfFocus(shown);
  replace();
  if (path === null) return;
  const controls = controlsOf(fresh);
  const target = path.id ? controls.find((control) => control.id === path.id) : alike(controls, path.like)[path.nth];
  (target ?? controls[path.index] ?? controls[0])?.focus({ preventScroll: true });
}

function replacePart(id, fresh, seq) {
  const shown = document.getElementById(id);
  if (!shown || seq < (appliedAt.get(id) ?? 0)) return;
  appliedAt.set(id, seq);
  if (shown.isEqualNode(fresh)) return;
  const before = wordOf(shown);
  keepFoldsOpen(shown, fresh);
  const scrolled = regionsOf(shown).map((region) => region.scrollTop);
  refocus(shown, fresh, () => shown.replaceWith(fresh));
  regionsOf(fresh).forEach((region, index) => region.scrollTo({ top: scrolled[index] ?? 0 }));
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

function regionsOf(part) {
  return [...part.querySelectorAll("[role=region]")];
}

function controlsOf(part) {
  return [...part.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
}

function pathOfFocus(part) {
  if (!part.contains(document.activeElement)) return null;
  const [focused, controls] = [document.activeElement, controlsOf(part)];
  const like = likeness(focused);
  return { id: focused.id, like, nth: alike(controls, like).indexOf(focused), index: controls.indexOf(focused) };
}

// Others may have come before it: a link is known by where it leads.
function likeness(control) {
  return control.getAttribute("href") ?? control.tagName;
}

function alike(controls, like) {
  return controls.filter((control) => likeness(control) === like);
}

// Keys of one letter, for whoever wants them: "/" goes to the search box, "?" shows the others, "g" and a letter goes to a
// page, "j" and "k" go through the rows of a list, and the letter of a link or button marked data-key follows it.
//
// None of them sends anything: they lead to forms, never through them.

const finder = document.querySelector("[data-finder]");
const overview = document.querySelector("[data-keys-overview]");
const areOn = document.body.dataset.keys !== "off";
const WAIT_MS = 1500;
let goingSince = 0;

function typing(target) {
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

function rows() {
  return [...document.querySelectorAll("tr a.row-link")].filter((link) => link.checkVisibility());
}

function step(by) {
  const links = rows();
  if (!links.length) return;
  const row = document.activeElement?.closest("tr");
  const here = links.findIndex((link) => link.closest("tr") === row);
  const there = here < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(here + by, 0), links.length - 1);
  links[there].focus();
}

function follow(selector) {
  const found = [...document.querySelectorAll(selector)].find((each) => each.checkVisibility());
  found?.click();
  return found !== undefined;
}

// What the key says on a Latin keyboard, also where another alphabet is set: the list names the keys as they are there.
function letterOf({ key, code, shiftKey }) {
  if (key.charCodeAt(0) < 128 && !/^[.,]$/.test(key)) return key;
  if (code === "Slash") return shiftKey ? "?" : "/";
  return code.startsWith("Key") ? code.slice(3).toLowerCase() : key;
}

function onLetter(key) {
  const isGoing = Date.now() - goingSince < WAIT_MS;
  goingSince = key === "g" ? Date.now() : 0;
  if (isGoing) return follow(`[data-go="${CSS.escape(key)}"]`);
  if (key === "/" && finder) {
    finder.focus();
    finder.select();
  } else if (key === "?" && overview) {
    overview.showModal();
  } else if (key === "j" || key === "k") {
    step(key === "j" ? 1 : -1);
  } else {
    return key === "g" || follow(`[data-key="${CSS.escape(key)}"]`);
  }
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target === finder) finder.blur();
  if (!areOn || event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1) return;
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  if (onLetter(letterOf(event))) event.preventDefault();
});

for (const button of document.querySelectorAll("[data-show-keys]")) {
  button.addEventListener("click", () => overview.showModal());
}

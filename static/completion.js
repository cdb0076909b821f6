// Completes terms such as status:declined in the search box, as a list below it that the keyboard walks through.
//
// The list is fetched when the box is first used, and again the next time if that failed. Without this the terms can be typed just the same.

const box = document.querySelector("[data-finder]");
let terms = null;
let list = null;
let chosen = -1;

async function fetchTerms() {
  if (terms) return;
  terms = [];
  try {
    const answer = await fetch(box.dataset.termsUrl, { headers: { Accept: "application/json" } });
    terms = answer.ok ? (await answer.json()).terms : null;
  } catch {
    terms = null;
  }
}

// The piece of the text that is being typed: where it begins, and what it says so far.
function piece() {
  const before = box.value.slice(0, box.selectionStart);
  const start = before.lastIndexOf(" ") + 1;
  return { start, text: before.slice(start).toLowerCase() };
}

function completions() {
  const { text } = piece();
  const [name, value] = text.split(":", 2);
  if (value === undefined) {
    return terms.filter((term) => [term.name, ...term.also].some((one) => one.startsWith(name))).map((term) => ({ insert: `${term.name}:`, word: term.hint }));
  }
  const typed = value.slice(value.lastIndexOf(",") + 1);
  const known = terms.find((term) => term.also.includes(name))?.values ?? [];
  return known
    .filter((one) => one.value !== typed && (one.value.startsWith(typed) || hasWord(one.word, typed)))
    .slice(0, 12)
    .map((one) => ({ insert: text.slice(0, text.length - typed.length) + one.value, word: one.word, ends: true }));
}

// Whether one of the words begins so, with е for ё.
function hasWord(words, typed) {
  const plain = (text) => text.toLowerCase().replaceAll("ё", "е");
  return plain(words).split(" ").some((word) => word.startsWith(plain(typed)));
}

function show() {
  hide();
  const found = terms ? completions() : [];
  if (!found.length || document.activeElement !== box) return;
  list = document.createElement("ul");
  list.id = "finder-list";
  list.className = "finder-list";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", box.getAttribute("aria-label"));
  list.append(...found.map(option));
  box.after(list);
  box.setAttribute("aria-expanded", "true");
}

function option(one, place) {
  const item = document.createElement("li");
  item.id = `finder-option-${place}`;
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", "false");
  const [code, word] = [document.createElement("b"), document.createElement("span")];
  code.textContent = one.insert;
  word.textContent = one.word;
  item.append(code, word);
  item.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    take(one);
  });
  item.take = () => take(one);
  return item;
}

function hide() {
  list?.remove();
  list = null;
  chosen = -1;
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
}

function choose(place) {
  const items = [...list.children];
  items[chosen]?.setAttribute("aria-selected", "false");
  chosen = (place + items.length) % items.length;
  items[chosen].setAttribute("aria-selected", "true");
  items[chosen].scrollIntoView({ block: "nearest" });
  box.setAttribute("aria-activedescendant", items[chosen].id);
}

function take(one) {
  const end = box.selectionStart;
  box.setRangeText(one.insert + (one.ends ? " " : ""), piece().start, end, "end");
  show();
}

function onKey(event) {
  if (!list) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    choose(event.key === "ArrowDown" ? chosen + 1 : Math.max(chosen, 0) - 1);
  } else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) {
    event.preventDefault();
    list.children[chosen].take();
  } else if (event.key === "Escape") {
    event.preventDefault();
    event.stopImmediatePropagation();
    hide();
  }
}

if (box) {
  box.setAttribute("role", "combobox");
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-expanded", "false");
  box.setAttribute("aria-controls", "finder-list");
  box.addEventListener("keydown", onKey);
  box.addEventListener("input", show);
  box.addEventListener("focus", async () => {
    await fetchTerms();
    show();
  });
  box.addEventListener("blur", hide);
}

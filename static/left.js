// Says, as one types, what is left after this refund. The server works it out and writes it; nothing is computed here.

import { parseHtml } from "./parts.js";

const DEBOUNCE_MS = 150;

const form = document.querySelector("[data-left-url]");
const amount = form?.elements.amount;
const left = form?.querySelector("output");

let timer = null;
let asked = null;

function schedule() {
  clearTimeout(timer);
  asked?.abort();
  timer = setTimeout(ask, DEBOUNCE_MS);
}

async function ask() {
  asked = new AbortController();
  const { signal } = asked;
  const url = new URL(form.dataset.leftUrl, document.baseURI);
  url.search = new URLSearchParams({ kind: form.elements.kind.value, amount: amount.value });
  try {
    const answer = await fetch(url, { signal, headers: { Accept: "text/html" } });
    const said = answer.ok ? await answer.text() : "";
    if (!signal.aborted) left.replaceChildren(...parseHtml(said).body.childNodes);
  } catch {
    if (!signal.aborted) left.textContent = "";
  }
}

function isAsServed() {
  const kinds = [...form.querySelectorAll('input[name="kind"]')];
  return amount.value === amount.defaultValue && kinds.every((kind) => kind.checked === kind.defaultChecked);
}

function chooseAPart() {
  const part = form.querySelector('input[name="kind"][value="partial"]');
  if (amount.value && !part.checked) part.checked = true;
}

if (form && amount) {
  amount.addEventListener("input", () => {
    chooseAPart();
    schedule();
  });
  form.addEventListener("change", (event) => event.target.name === "kind" && schedule());
  // Back brings what was typed since the server wrote the page.
  window.addEventListener("pageshow", () => isAsServed() || schedule());
}

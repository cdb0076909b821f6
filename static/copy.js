// Buttons that copy the texts they name, wherever they are put meanwhile. Without a script texts are selected by hand,
// and so they are where a browser refuses: then the text is selected already.

import { announce } from "./announce.js";

const SAID_FOR_MS = 4000;

async function put(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Outside of a safe connection, too, a page has no clipboard of its own.
    getSelection().selectAllChildren(shown);
    return document.execCommand("copy");
  }
}

function say(button, words) {
  const before = (button.dataset.words ??= button.textContent);
  button.textContent = words;
  announce(words);
  setTimeout(() => {
    button.textContent = before;
  }, SAID_FOR_MS);
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  const shown = [...document.querySelectorAll(button.dataset.copy)];
  const text = shown.map((each) => each.textContent.trim()).join("\n");
  const isCopied = await put(shown.length > 1 ? `${text}\n` : text, shown[0].parentElement);
  say(button, isCopied ? button.dataset.copied : button.dataset.refused);
});

// Buttons that copy the texts they name, wherever they are put meanwhile. Without a script texts are selected by hand.

import { announce } from "./announce.js";

async function put(text, shown) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Outside of a safe connection a page has no clipboard of its own: what is selected can be copied all the same.
  getSelection().selectAllChildren(shown);
  return document.execCommand("copy") ? undefined : Promise.reject();
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  const shown = [...document.querySelectorAll(button.dataset.copy)];
  const text = shown.map((each) => each.textContent.trim()).join("\n");
  try {
    await put(shown.length > 1 ? `${text}\n` : text, shown[0].parentElement);
  } catch {
    return;
  }
  button.textContent = button.dataset.copied;
  announce(button.dataset.copied);
});

// Buttons for codes that are shown once: copy them, print them. Without a script they are selected and printed by hand.

import { announce } from "./announce.js";

function copyTo(button) {
  const texts = [...document.querySelectorAll(button.dataset.copy)].map((each) => each.textContent.trim());
  navigator.clipboard.writeText(`${texts.join("\n")}\n`).then(() => {
    button.textContent = button.dataset.copied;
    announce(button.dataset.copied);
  });
}

document.querySelectorAll("[data-copy]").forEach((button) => {
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", () => copyTo(button));
});

document.querySelectorAll("[data-print]").forEach((button) => {
  button.addEventListener("click", () => window.print());
});

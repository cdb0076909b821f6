// Counts down the seconds that are left, in the server's words, on elements that may be replaced at any time.

const endsAt = new WeakMap();

function tick() {
  const now = performance.now();
  for (const element of document.querySelectorAll("[data-seconds-left]")) {
    if (!endsAt.has(element)) endsAt.set(element, now + Number(element.dataset.secondsLeft) * 1000);
    const leftS = Math.ceil((endsAt.get(element) - now) / 1000);
    const words = leftS > 0 ? element.dataset.words.replace("{n}", String(leftS)) : "";
    if (element.textContent !== words) element.textContent = words;
  }
}

setInterval(tick, 200);
tick();

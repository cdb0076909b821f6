// Says beside an open form what others do with its session. The server writes it; nothing else on the page moves.

import { parseHtml } from "./parts.js";
import { UNATTENDED } from "./unattended.js";

const EVERY_MS = 4000;

const place = document.querySelector("[data-others-url]");
let asking = false;

async function ask() {
  if (document.hidden || asking) return;
  asking = true;
  try {
    const answer = await fetch(place.dataset.othersUrl, { redirect: "manual", headers: UNATTENDED });
    if (answer.ok) say(await answer.text());
    else if (answer.status >= 400 && answer.status < 500) clearInterval(timer);
  } catch {
    // What could not be asked for now is asked for again.
  }
  asking = false;
}

function say(words) {
  const fresh = parseHtml(words).body;
  if (fresh.textContent.trim() !== place.textContent.trim()) place.replaceChildren(...fresh.childNodes);
}

const timer = place && setInterval(ask, EVERY_MS);

if (place) document.addEventListener("visibilitychange", ask);

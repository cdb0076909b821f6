// Says beside an open form what others do with its session. The server writes it; nothing else on the page moves.

import { parseHtml } from "./parts.js";
import { UNATTENDED } from "./unattended.js";

const EVERY_MS = 4000;

const place = document.querySelector("[data-others-url]");
let said = "";

async function ask() {
  if (document.hidden) return;
  try {
    const answer = await fetch(place.dataset.othersUrl, { redirect: "manual", headers: UNATTENDED });
    if (answer.ok) say(await answer.text());
    else if (answer.status < 500) clearInterval(timer);
  } catch {
    // What could not be asked for now is asked for again.
  }
}

function say(words) {
  if (words === said) return;
  said = words;
  place.replaceChildren(...parseHtml(words).body.childNodes);
}

const timer = place && setInterval(ask, EVERY_MS);

if (place) document.addEventListener("visibilitychange", ask);

// While a file of refunds is fetched, how far it is: asked of the server, in whose words it is said.
//
// The browser fetches the file as it always does. The id by which the server knows it is made here.

import { announce } from "./announce.js";
import { UNATTENDED } from "./unattended.js";

const LOOK_EVERY_MS = 1000;
const FIRST_LOOK_MS = 250;
const MOST_UNKNOWN = 60;
const MOST_UNASKED = 3;
const ANNOUNCED_PARTS = 4;

const form = document.querySelector("[data-progress-url]");
const followed = new Set();

// Only browsers on a safe connection make ids; elsewhere the file comes without a word of how far it is.
if (form && crypto.randomUUID) {
  form.addEventListener("submit", () => {
    const id = crypto.randomUUID();
    form.elements.export_id.value = id;
    followed.add(follow(form.dataset.progressUrl.replace("EXPORT", id), shown()));
  });
  window.addEventListener("pagehide", () => followed.forEach((one) => one.stop()));
  window.addEventListener("pageshow", (event) => event.persisted && followed.forEach((one) => one.goOn()));
}

function shown() {
  const root = document.querySelector("template[data-export-in-hand]").content.firstElementChild.cloneNode(true);
  document.querySelector("[data-exports-in-hand]").append(root);
  return { root, bar: root.querySelector("progress"), words: root.querySelector("p") };
}

function follow(url, { root, bar, words }) {
  let timer = null;
  let asked = null;
  let over = false;
  let unknown = 0;
  let unasked = 0;
  let announcedPart = 0;

  async function look() {
    asked = new AbortController();
    const { signal } = asked;
    try {
      const answer = await fetch(url, { headers: UNATTENDED, redirect: "manual", signal });
      if (answer.status === 204) missed();
      else if (answer.ok) tell(await answer.json());
      else failed();
    } catch {
      if (!signal.aborted) failed();
    }
    if (!over && !signal.aborted) timer = setTimeout(look, LOOK_EVERY_MS);
  }

  function tell({ done, total, state, words: said }) {
    [unknown, unasked] = [0, 0];
    const before = root.dataset.state;
    over = ["finished", "broken_off"].includes(state);
    show(state, said);
    fill(done, total, state);
    const part = total ? Math.floor((ANNOUNCED_PARTS * done) / total) : 0;
    const news = state === "writing" ? part > announcedPart : state !== before;
    announcedPart = Math.max(part, announcedPart);
    if (news) announce(said);
  }

  function fill(done, total, state) {
    if (state === "finished") [bar.max, bar.value] = [1, 1];
    else if (total !== null) [bar.max, bar.value] = [Math.max(total, 1), done];
    else if (state === "broken_off") [bar.max, bar.value] = [1, 0];
    else bar.removeAttribute("value");
  }

  function show(state, said) {
    root.dataset.state = state;
    if (words.textContent !== said) words.textContent = said;
  }

  // It is not known before the server has begun it.
  function missed() {
    unknown += 1;
    if (unknown < MOST_UNKNOWN) return;
    over = true;
    [bar.max, bar.value] = [1, 0];
    show("unknown", words.dataset.unknown);
    announce(words.dataset.unknown);
  }

  function failed() {
    unasked += 1;
    if (unasked >= MOST_UNASKED) show("unasked", words.dataset.unasked);
  }

  function stop() {
    clearTimeout(timer);
    asked?.abort();
  }

  function goOn() {
    stop();
    if (!over) look();
  }

  timer = setTimeout(look, FIRST_LOOK_MS);
  return { stop, goOn };
}

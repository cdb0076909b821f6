// The line that says how fresh the page is. Its words are the server's, in data attributes; only seconds are counted here.

import { announce } from "./announce.js";

const UNITS = [["d", 86400], ["h", 3600], ["min", 60]];

export function freshnessLine(line) {
  if (!line) return { state() {}, webhookAge() {} };
  const stateText = line.querySelector(".fresh-state");
  const ageText = line.querySelector(".fresh-age");
  let webhookAt = null;
  let known = false;
  let ticking = null;

  function showAge() {
    const shown = known && ["live", "polling"].includes(line.dataset.state);
    ageText.textContent = shown ? ` · ${ageWords(line.dataset, webhookAt)}` : "";
  }

  return {
    state(name) {
      const before = line.dataset.state;
      if (before !== name) {
        line.dataset.state = name;
        stateText.textContent = line.dataset[name];
        if ([before, name].includes("reconnecting")) announce(line.dataset[name]);
      }
      clearInterval(ticking);
      ticking = document.hidden ? null : setInterval(showAge, 1000);
      showAge();
    },
    webhookAge(ageS) {
      known = true;
      webhookAt = ageS === null ? null : performance.now() / 1000 - ageS;
      showAge();
    },
  };
}

function ageWords(words, webhookAt) {
  if (webhookAt === null) return words.ageNone;
  const ageS = Math.max(0, Math.floor(performance.now() / 1000 - webhookAt));
  const [unit, seconds] = UNITS.find(([, size]) => ageS >= 2 * size) ?? ["s", 1];
  const pattern = words[`age${unit[0].toUpperCase()}${unit.slice(1)}`];
  return pattern.replace("{n}", String(Math.floor(ageS / seconds)));
}

// Says something to screen readers without moving anybody's focus.

const SILENCE_MS = 50;

export function announce(words) {
  const announcer = document.getElementById("announcer");
  // The same words again are spoken only where there were others between, or none.
  announcer.textContent = "";
  setTimeout(() => {
    announcer.textContent = words;
  }, SILENCE_MS);
}

// Says something to screen readers without moving anybody's focus.

export function announce(words) {
  document.getElementById("announcer").textContent = words;
}

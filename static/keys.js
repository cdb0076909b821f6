// "/" goes to the search box from anywhere but a field; Escape leaves it.

const finder = document.querySelector("[data-finder]");

function typing(target) {
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (!finder || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !typing(event.target)) {
    event.preventDefault();
    finder.focus();
    finder.select();
  } else if (event.key === "Escape" && event.target === finder) {
    finder.blur();
  }
});

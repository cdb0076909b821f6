// A click anywhere on a row follows the row's own link, unless it was meant for something else: a link, a selection.

function linkUnder(event) {
  if (event.target.closest("a, button, input, summary, pre") || !getSelection().isCollapsed) return null;
  return event.target.closest("tr")?.querySelector(".row-link") ?? null;
}

document.addEventListener("click", (event) => {
  const link = linkUnder(event);
  if (!link) return;
  if (event.ctrlKey || event.metaKey) window.open(link.href, "_blank", "noopener");
  else location.assign(link.href);
});

document.addEventListener("auxclick", (event) => {
  const link = event.button === 1 ? linkUnder(event) : null;
  if (link) window.open(link.href, "_blank", "noopener");
});

document.documentElement.classList.add("rows-follow");

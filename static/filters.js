// Comforts for the filter chips, which work without this: one closes by Escape or a click elsewhere,
// its first input takes the focus, and empty filters stay out of the address.

const filters = document.querySelector("[data-filters]");

function opened() {
  return filters.querySelector(".filter details[open]");
}

function close({ andFocus }) {
  const chip = opened();
  if (!chip) return;
  chip.open = false;
  if (andFocus) chip.querySelector("summary").focus();
}

if (filters) {
  document.addEventListener("click", (event) => opened()?.contains(event.target) || close({ andFocus: false }));
  filters.addEventListener("keydown", (event) => event.key === "Escape" && close({ andFocus: true }));
  filters.addEventListener("toggle", (event) => event.target.open && event.target.querySelector("input, select")?.focus(), true);
  filters.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
}

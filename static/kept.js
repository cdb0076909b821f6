// What was typed into a form marked data-keep comes back after signing in again as the same person, in the same tab.
//
// It is noted as a page is left, and forgotten by the next one unless that is the sign-in page. No password and no
// token is noted. data-keep is the address of the page that holds the form.

const KEY = "kept";
const NEVER = new Set(["csrf_token", "form_token"]);

const person = document.querySelector("[data-person-id]")?.dataset.personId;
const signIns = [...document.querySelectorAll("form[data-sign-in]")];
let signingOut = false;

function kept() {
  return JSON.parse(sessionStorage.getItem(KEY) ?? "null");
}

function keep() {
  const forms = [...document.querySelectorAll("form[data-keep]")];
  if (signingOut || !person || !forms.length) return;
  const noted = forms.map((form) => ({ page: form.dataset.keep, action: form.getAttribute("action"), fields: fieldsOf(form) }));
  sessionStorage.setItem(KEY, JSON.stringify({ person, forms: noted, signedOut: false }));
}

function fieldsOf(form) {
  const secret = (name) => NEVER.has(name) || form.elements[name]?.type === "password";
  return [...new FormData(form)].filter(([name, value]) => typeof value === "string" && !secret(name));
}

function giveBack(noted) {
  const found = [...document.querySelectorAll("form[data-keep]")].flatMap((form) => {
    const match = noted.forms.find(({ page, action }) => page === form.dataset.keep && action === form.getAttribute("action"));
    return match ? [[form, match.fields]] : [];
  });
  for (const [form, fields] of found) for (const [name, value] of fields) fillIn(form.elements[name], value);
  const line = document.querySelector("[data-given-back]");
  if (found.length && line) line.hidden = false;
}

function fillIn(control, value) {
  if (!control || control.type === "hidden") return;
  const choice = control instanceof RadioNodeList && [...control].find((each) => each.value === value);
  if (control instanceof RadioNodeList && (!choice || choice.disabled)) return;
  control.value = value;
}

function arrive() {
  const noted = kept();
  if (!noted) return;
  if (signIns.length) {
    sessionStorage.setItem(KEY, JSON.stringify({ ...noted, signedOut: true }));
    const page = noted.forms[0].page;
    for (const { elements: { next } } of signIns) {
      if (!next.value || next.value.split("?")[0] === page.split("?")[0]) next.value = page;
    }
  } else if (person) {
    sessionStorage.removeItem(KEY);
    if (noted.signedOut && noted.person === person) giveBack(noted);
  }
}

document.addEventListener("submit", (event) => {
  if (!event.target.hasAttribute("data-sign-out")) return;
  signingOut = true;
  sessionStorage.removeItem(KEY);
});
window.addEventListener("pagehide", keep);
arrive();

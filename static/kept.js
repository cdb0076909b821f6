// What was typed into a form marked data-keep comes back after signing in again as the same person, in the same tab.
//
// The server seals it a moment after the last input, while it still knows who types. Only that lies in the tab, and only
// the server opens it, for the same person. It is forgotten by the next page unless that is the sign-in page. No
// password and no token is sent along. data-keep is the address of the page that holds the form.

const KEY = "kept";
const PAUSE_MS = 1000;
const NEVER = new Set(["csrf_token", "form_token"]);

const person = document.querySelector("[data-person-id]")?.dataset;
const forms = [...document.querySelectorAll("form[data-keep]")];
const signIns = [...document.querySelectorAll("form[data-sign-in]")];
let timer = null;
let asking = null;
let signingOut = false;

function kept() {
  const noted = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  return noted?.sealed ? noted : null;
}

async function ask(url, text, signal) {
  const body = new FormData();
  body.append("csrf_token", forms[0].elements.csrf_token.value);
  body.append("text", text);
  const answer = await fetch(url, { method: "POST", body, signal });
  return answer.ok ? (await answer.json()).text : null;
}

async function seal() {
  clearTimeout(timer);
  asking?.abort();
  const { signal } = (asking = new AbortController());
  const noted = forms.map((form) => ({ page: form.dataset.keep, action: form.getAttribute("action"), fields: fieldsOf(form) }));
  try {
    const sealed = await ask(person.sealUrl, JSON.stringify(noted), signal);
    if (!sealed || signal.aborted || signingOut) return;
    sessionStorage.setItem(KEY, JSON.stringify({ person: person.personId, page: forms[0].dataset.keep, sealed }));
  } catch {
    // What cannot be sealed is not kept.
  }
}

function sealSoon() {
  clearTimeout(timer);
  timer = setTimeout(seal, PAUSE_MS);
}

function fieldsOf(form) {
  const secret = (name) => NEVER.has(name) || form.elements[name]?.type === "password";
  return [...new FormData(form)].filter(([name, value]) => typeof value === "string" && !secret(name));
}

async function giveBack({ sealed }) {
  const text = await ask(person.openUrl, sealed);
  for (const noted of JSON.parse(text ?? "[]")) {
    const form = forms.find((each) => each.dataset.keep === noted.page && each.getAttribute("action") === noted.action);
    if (!form) continue;
    for (const [name, value] of noted.fields) fillIn(form.elements[name], value);
    document.querySelector("[data-given-back]").hidden = false;
  }
}

function fillIn(control, value) {
  if (!control || control.type === "hidden") return;
  const choice = control instanceof RadioNodeList && [...control].find((each) => each.value === value);
  if (control instanceof RadioNodeList && (!choice || choice.disabled)) return;
  control.value = value;
}

function waitForThem(noted) {
  sessionStorage.setItem(KEY, JSON.stringify({ ...noted, signedOut: true }));
  for (const { elements: { next } } of signIns) {
    if (!next.value || next.value.split("?")[0] === noted.page.split("?")[0]) next.value = noted.page;
  }
}

async function arrive() {
  const noted = kept();
  if (noted && signIns.length) return waitForThem(noted);
  if (noted && !person) return;
  sessionStorage.removeItem(KEY);
  if (!person || !forms.length) return;
  try {
    if (noted?.signedOut && noted.person === person.personId) await giveBack(noted);
    sealSoon();
  } catch {
    // Without a connection it waits for this page to be loaded again, or for the next input.
    sessionStorage.setItem(KEY, JSON.stringify(noted));
  }
  for (const kind of ["input", "pageshow"]) window.addEventListener(kind, sealSoon);
  document.addEventListener("ends-soon", seal);
}

document.addEventListener("submit", (event) => {
  if (!event.target.hasAttribute("data-sign-out")) return;
  signingOut = true;
  sessionStorage.removeItem(KEY);
});
arrive();

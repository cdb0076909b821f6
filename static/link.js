// Sends the code of a link, which stands behind the # in the address, to whoever knows whose link it is.
//
// A browser sends that part of an address nowhere. It is taken out of it before anything else happens.

const form = document.querySelector("form[data-link]");

function sendCode() {
  const code = location.hash.slice(1);
  if (!code) return;
  history.replaceState(null, "", location.pathname);
  form.elements.code.value = code;
  form.querySelector("[data-code]").hidden = true;
  form.requestSubmit();
}

window.addEventListener("hashchange", sendCode);
sendCode();

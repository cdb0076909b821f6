// A form marked data-passkey asks the browser for a passkey ("get": sign with one, "create": make one) and is sent
// with the answer. What to ask stands in data-options, as WebAuthn has it in JSON.

function bytes(text) {
  const base64 = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function text(buffer) {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function withBytes(descriptors) {
  return (descriptors ?? []).map((descriptor) => ({ ...descriptor, id: bytes(descriptor.id) }));
}

async function sign(options) {
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: withBytes(options.allowCredentials),
  };
  const credential = await navigator.credentials.get({ publicKey });
  const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response;
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response: {
      clientDataJSON: text(clientDataJSON),
      authenticatorData: text(authenticatorData),
      signature: text(signature),
      userHandle: userHandle ? text(userHandle) : undefined,
    },
  };
}

async function make(options) {
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: withBytes(options.excludeCredentials),
  };
  const credential = await navigator.credentials.create({ publicKey });
  const { clientDataJSON, attestationObject } = credential.response;
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response: {
      clientDataJSON: text(clientDataJSON),
      attestationObject: text(attestationObject),
      transports: credential.response.getTransports?.() ?? [],
    },
  };
}

function say(form, words) {
  const problem = form.querySelector("[data-passkey-problem]");
  problem.textContent = words;
  problem.hidden = words === "";
  return problem;
}

function sayElsewhere(form) {
  const problem = say(form, form.querySelector("[data-passkey-problem]").dataset.elsewhere);
  const link = document.createElement("a");
  link.href = form.dataset.origin + location.pathname;
  link.textContent = form.dataset.origin;
  problem.append(" ", link);
}

async function answer(form) {
  const words = form.querySelector("[data-passkey-problem]").dataset;
  say(form, "");
  try {
    const [ask, field] = form.dataset.passkey === "create" ? [make, "answer"] : [sign, "proof_answer"];
    const said = await ask(JSON.parse(form.dataset.options));
    form.querySelector(`[name=${field}]`).value = JSON.stringify(said);
    HTMLFormElement.prototype.requestSubmit.call(form);
  } catch (problem) {
    say(form, problem.name === "InvalidStateError" ? words.there : words.cancelled);
  }
}

function prepare(form) {
  if (location.origin !== form.dataset.origin) return sayElsewhere(form);
  const words = form.querySelector("[data-passkey-problem]").dataset;
  if (!window.PublicKeyCredential) return say(form, words.missing);
  form.querySelectorAll("[data-passkey-here]").forEach((each) => (each.hidden = false));
  form.querySelector("[data-passkey-button]").addEventListener("click", () => answer(form));
}

document.querySelectorAll("form[data-passkey]").forEach(prepare);

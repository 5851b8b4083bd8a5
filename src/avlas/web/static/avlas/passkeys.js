// Passkeys: a form with data-passkey="create" or "get" is sent once the browser has made or shown a passkey.
// What the browser is to do stands in data-options, or is fetched from data-begin. Such forms are of no use without
// this file, and without an address that browsers offer passkeys at: then they stay hidden, or say so.

const usable = isSecureContext && "PublicKeyCredential" in window;

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const known = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

async function make({ publicKey }) {
  const made = await navigator.credentials.create({ publicKey: {
    ...publicKey,
    challenge: bytes(publicKey.challenge),
    user: { ...publicKey.user, id: bytes(publicKey.user.id) },
    excludeCredentials: known(publicKey.excludeCredentials),
  } });
  return answer(made, ["attestationObject"]);
}

async function show({ publicKey }) {
  const shown = await navigator.credentials.get({ publicKey: {
    ...publicKey, challenge: bytes(publicKey.challenge), allowCredentials: known(publicKey.allowCredentials),
  } });
  return answer(shown, ["authenticatorData", "signature", "userHandle"]);
}

function answer(credential, names) {
  const response = { clientDataJSON: text(credential.response.clientDataJSON) };
  for (const name of names) if (credential.response[name]) response[name] = text(credential.response[name]);
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response };
}

async function options(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const token = form.elements.csrfmiddlewaretoken.value;
  const given = await fetch(form.dataset.begin, { method: "POST", headers: { "X-CSRFToken": token } });
  if (!given.ok) throw new Error(given.statusText);
  return given.json();
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const error = form.querySelector("[data-passkey-error]");
  form.addEventListener("submit", async (event) => {
    if (form.elements.credential.value) return;
    event.preventDefault();
    error.hidden = true;
    try {
      const wanted = await options(form);
      const done = await (form.dataset.passkey === "create" ? make(wanted) : show(wanted));
      form.elements.credential.value = JSON.stringify(done);
      form.requestSubmit();
    } catch (problem) {
      error.textContent = form.dataset.failed;
      error.hidden = false;
    }
  });
  if (usable) form.hidden = false;
  else if (form.dataset.passkey === "create") form.querySelectorAll("button").forEach((one) => { one.disabled = true; });
}
if (usable) document.querySelectorAll("[data-passkey-missing]").forEach((note) => { note.hidden = true; });

// Passkeys (W3C Web Authentication): a form with `data-passkey`, which says `create` or `get`, holds
// the options; what the authenticator answers is sent in its field `credential`.
"use strict";

const bytes = (text) => {
  const base64 = text.replace(/-/g, "+").replace(/_/g, "/");
  return Uint8Array.from(atob(base64), (it) => it.charCodeAt(0));
};

const text = (buffer) => {
  const binary = Array.from(new Uint8Array(buffer), (it) => String.fromCharCode(it)).join("");
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
};

const withBytes = (options) => {
  const ids = (list) => list && list.map((it) => ({ ...it, id: bytes(it.id) }));
  const user = options.user && { ...options.user, id: bytes(options.user.id) };
  return {
    ...options,
    challenge: bytes(options.challenge),
    ...(user && { user }),
    ...(options.excludeCredentials && { excludeCredentials: ids(options.excludeCredentials) }),
    ...(options.allowCredentials && { allowCredentials: ids(options.allowCredentials) }),
  };
};

const asJson = (credential) => {
  const response = {};
  for (const name of [
    "attestationObject",
    "authenticatorData",
    "clientDataJSON",
    "signature",
    "userHandle",
  ]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  const { id, type } = credential;
  return JSON.stringify({ id, rawId: text(credential.rawId), type, response });
};

const ask = async (form) => {
  const publicKey = withBytes(JSON.parse(form.dataset.options).publicKey);
  const credential =
    form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey })
      : await navigator.credentials.get({ publicKey });
  form.elements.namedItem("credential").value = asJson(credential);
  form.submit();
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const fault = form.querySelector(".fault");
  const button = form.querySelector("button");
  const tell = (words) => {
    fault.textContent = words;
    fault.hidden = false;
  };
  form.hidden = false;
  if (!window.PublicKeyCredential) {
    tell("This browser, or this address, knows no passkeys.");
    button.disabled = true;
    continue;
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    fault.hidden = true;
    button.disabled = true;
    ask(form).catch((error) => {
      tell(error.name === "InvalidStateError" ? "This device is enrolled already."
        : "The passkey was not used. Try again, or begin anew.");
      button.disabled = false;
    });
  });
}

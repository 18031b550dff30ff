// Passkeys at the sign-in page and at the account's: everything else on these pages works without this script.

const OWN_PAGE = { "Content-Type": "application/json", "X-HMS-Page": "1" };

const add = document.getElementById("add-passkey");
const show = document.getElementById("show-passkey");

if (window.PublicKeyCredential) {
  for (const [button, work] of [
    [add, addPasskey],
    [show, signIn],
  ]) {
    if (!button) continue;
    button.hidden = false;
    button.addEventListener("click", () => work().catch((problem) => tell(problem.message)));
  }
}

async function addPasskey() {
  const options = await call("offer", {});
  options.challenge = bytes(options.challenge);
  options.user.id = bytes(options.user.id);
  for (const each of options.excludeCredentials ?? []) each.id = bytes(each.id);
  const made = await navigator.credentials.create({ publicKey: options });
  await call("add", { credential: plain(made, ["clientDataJSON", "attestationObject"]), name: navigator.platform });
  location.reload();
}

async function signIn() {
  const options = await call("ask", {});
  options.challenge = bytes(options.challenge);
  const shown = await navigator.credentials.get({ publicKey: options });
  const parts = ["clientDataJSON", "authenticatorData", "signature", "userHandle"];
  const fields = Object.fromEntries(new FormData(show.closest("main").querySelector("form")));
  const answer = await call("sign-in", { credential: plain(shown, parts), fields });
  location.assign(answer.location);
}

async function call(path, body) {
  const answer = await fetch(`/auth/passkeys/${path}`, { method: "POST", headers: OWN_PAGE, body: JSON.stringify(body) });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error_description);
  return found;
}

function plain(credential, parts) {
  const response = Object.fromEntries(
    parts.filter((part) => credential.response[part]).map((part) => [part, text(credential.response[part])]),
  );
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response };
}

function bytes(encoded) {
  return Uint8Array.from(atob(encoded.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
}

function text(buffer) {
  const plain = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function tell(message) {
  document.getElementById("passkey-told").textContent = message;
}

// Calls of the server: JSON in and out; a refusal is an Error with the words of its OperationOutcome.

import { ask, OWN_PAGE, signInEnded } from "../../page/session.js";

const ROOT = new URL("..", import.meta.url);

/** GET a path below /hl7 -> its JSON. */
export function get(path) {
  return call("GET", path);
}

/** POST a body below /hl7 -> its JSON. body: an object, sent as JSON, or a text, sent as ER7. */
export function post(path, body = {}) {
  return call("POST", path, body);
}

/** Where the server's page shows a resource. */
export function place(reference) {
  return new URL(`../#/${reference}`, ROOT).href;
}

/** Where the bytes of a message are. */
export function bytes(id) {
  return new URL(`messages/${id}/raw`, ROOT).href;
}

/** A resource of the FHIR server by reference, null where it is gone. */
export async function resource(reference) {
  const response = await ask(new URL(`../fhir/${reference}`, ROOT), { headers: { Accept: "application/fhir+json" } });
  return response.ok ? response.json() : null;
}

async function call(method, path, body = null) {
  const text = typeof body === "string";
  const response = await ask(new URL(path, ROOT), {
    method,
    headers:
      body === null ? {} : { "Content-Type": text ? "x-application/hl7-v2+er7; charset=utf-8" : "application/json", ...OWN_PAGE },
    body: body === null ? null : text ? body : JSON.stringify(body),
  });
  const content = await response.text();
  let found = null;
  try {
    found = JSON.parse(content);
  } catch {
    // Not JSON: the text itself says what is wrong.
  }
  if (response.ok) return found;
  if (response.status === 401) signInEnded();
  const told = found?.issue?.map((issue) => issue.diagnostics).join(" ");
  throw new Error(told || content.slice(0, 300) || `${response.status} ${response.statusText}`);
}

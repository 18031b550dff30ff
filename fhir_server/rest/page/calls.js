// Calls of what is mounted beside FHIR: JSON in and out; a refusal is an Error with the words of its OperationOutcome.

import { ask, OWN_PAGE, signInEnded } from "./session.js";

/** root: the URL of what is mounted, with a slash at its end -> {get(path), post(path, object), file(path), place(reference)}. */
export function callsBelow(root) {
  return {
    get: (path) => call(new URL(path, root), "GET"),
    post: (path, body = {}) => call(new URL(path, root), "POST", JSON.stringify(body)),
    /** Where a file is fetched from by a link. */
    file: (path) => new URL(path, root).href,
    /** Where the server's page shows a resource. */
    place: (reference) => new URL(`../#/${reference}`, root).href,
  };
}

async function call(url, method, body = null) {
  const headers = body === null ? {} : { "Content-Type": "application/json", ...OWN_PAGE };
  const response = await ask(url, { method, headers, body });
  if (response.status === 401) signInEnded();
  const text = await response.text();
  let found = null;
  try {
    found = JSON.parse(text);
  } catch {
    // What is no JSON is told as it came.
  }
  if (response.ok && found !== null) return found;
  const said = found?.issue?.map((issue) => issue.diagnostics).join(" ") || text.slice(0, 300);
  throw new Error(said || `The server answered ${response.status}.`);
}

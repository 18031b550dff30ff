// What the page asks the server, and how an answer that is no success is told.

import { ask, OWN_PAGE, signInEnded } from "../../page/session.js";

export const WEB = "../dicom-web";

export async function get(path) {
  const answer = await ask(path, { headers: { accept: "application/json" } });
  return read(answer);
}

// A part of a list, and the path of the next one where there is more.
export async function part(path) {
  const answer = await ask(path, { headers: { accept: "application/json" } });
  const found = await read(answer);
  const next = /<([^>]*)>; rel="next"/.exec(answer.headers.get("link") ?? "");
  return { found, next: next && `api/${next[1]}` };
}

// Everything that a search finds; one answer of DICOMweb has so many matches at most.
export async function all(path, most = 5000) {
  const found = [];
  for (;;) {
    const matches = await get(`${path}&limit=${most}&offset=${found.length}`);
    found.push(...matches);
    if (matches.length < most) return found;
  }
}

export async function post(path, body = {}) {
  const answer = await ask(path, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json", ...OWN_PAGE },
    body: JSON.stringify(body),
  });
  return read(answer);
}

async function read(answer) {
  if (answer.status === 204) return [];
  const found = await answer.json().catch(() => null);
  if (answer.ok) return found;
  if (answer.status === 401) signInEnded();
  throw new Error(found?.issue?.[0]?.diagnostics ?? `The server answered ${answer.status}.`);
}

// The first value of an attribute of the DICOM JSON Model, names as people write them.
export function value(model, tag) {
  const first = model[tag]?.Value?.[0];
  if (first === undefined || first === null) return "";
  return typeof first === "object" ? personName(first.Alphabetic ?? "") : String(first);
}

export function personName(text) {
  const [family, given] = text.split("^");
  return [family, given].filter(Boolean).join(", ");
}

export function date(text) {
  return /^\d{8}$/.test(text) ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : text;
}

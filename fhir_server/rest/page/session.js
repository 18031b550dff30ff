// Who is signed in at this server, and what the pages of the server send with each request that changes something.

import { h } from "./dom.js";

const ROOT = new URL("..", import.meta.url);

/** Headers of every request that is no GET: a page of another origin can't send them. */
export const OWN_PAGE = { "X-HMS-Page": "1" };

/** fetch; where nothing answers, an Error that says what to look at. */
export async function ask(url, options) {
  try {
    return await fetch(url, options);
  } catch {
    throw new Error(`No answer from ${new URL(url, location.href).origin}. Is the server running?`);
  }
}

let place = null;

/** What stands in a page's header: nothing on an open server; else who is signed in and a way out, or the way in. */
export function account() {
  place ??= h("span", { class: "account" });
  return place;
}

/** Goes to the sign-in page and comes back here, where a server wants to know who looks and nobody is signed in. */
export async function requireSignIn() {
  const answer = await fetch(new URL("auth/session", ROOT)).catch(() => null);
  if (!answer?.ok) return; // the page's own requests will tell what is wrong
  const { open, user } = await answer.json();
  if (open) return;
  addEventListener("pageshow", shownAgain);
  if (!user) {
    location.replace(signInUrl());
    await new Promise(() => {}); // the page ends here
  }
  account().replaceChildren(
    h("a", { href: new URL("auth/account", ROOT).href }, user.name),
    h("button", { type: "button", class: "sign-out", onclick: signOut }, "Sign out"),
  );
}

/** Tells that a request was refused as nobody's: the sign-in has ended. What a person has typed stays where it is. */
export function signInEnded() {
  account().replaceChildren(h("a", { href: signInUrl() }, "Sign in"));
}

/** A page that the browser has kept and shows again, by Back after a sign-out too, asks anew who looks. */
function shownAgain(event) {
  if (!event.persisted) return;
  document.documentElement.hidden = true;
  location.reload();
}

function signInUrl() {
  const url = new URL("auth/sign-in", ROOT);
  url.searchParams.set("next", location.pathname + location.search + location.hash);
  return url.href;
}

async function signOut() {
  await fetch(new URL("auth/sign-out", ROOT), { method: "POST", headers: OWN_PAGE });
  location.replace(signInUrl());
}

// Parts that the places of billing share: amounts, links, buttons that do something and tell how it went.

import { h } from "../../page/dom.js";
import { linked } from "../../page/screen.js";
import { calls } from "./calls.js";

/** Cents as an amount with two digits. */
export function amount(cents) {
  if (cents === null || cents === undefined) return "";
  const text = (Math.abs(cents) / 100).toFixed(2);
  return h("span", { class: "amount" }, cents < 0 ? `−${text}` : text);
}

/** A link to the server's page of a resource. */
export const resource = (reference) => linked(reference, calls.place);

/** A link to the trace of a reference, told as text. */
export const traced = (reference, text = "trace") => h("a", { href: `#/trace/${encodeURIComponent(reference)}` }, text);

export const claimLink = (id) => (id ? h("a", { href: `#/claims/${encodeURIComponent(id)}` }, id) : "");

/** What a person answers to a question; one that is called off does nothing. */
export function reason(question = "Why?") {
  const answer = window.prompt(question);
  if (answer === null) throw new Error("Nothing was done.");
  return answer;
}

/** Shows the place anew, where the reader stays at the control that was used. */
export const anew = () => window.dispatchEvent(new HashChangeEvent("hashchange"));

/** A button that calls, tells a refusal beside itself, and then goes on. */
export function button(label, call, then = anew) {
  const told = h("span", { role: "status" });
  const made = h(
    "button",
    {
      type: "button",
      onclick: async () => {
        made.disabled = true;
        told.textContent = "…";
        try {
          const answer = await call();
          told.textContent = "done";
          then(answer);
        } catch (problem) {
          told.className = "error";
          told.textContent = problem.message;
        }
        made.disabled = false;
      },
    },
    label,
  );
  return [made, " ", told];
}

// The narrative on the page.

import { h } from "./dom.js";
import { referenceHash } from "./location.js";
import { parseNarrative, sanitise } from "./narrative.js";

// Below the headings of the page, whatever the narrative calls its own.
const HEADINGS = { h1: "h3", h2: "h3" };

/** The sanitised content of an xhtml div as nodes of the page. base: the FHIR base. */
export function narrativeNodes(xhtml, base) {
  const element = (tag, attributes, children) => h(HEADINGS[tag] ?? tag, attributes, children);
  const build = { element, text: (string) => string };
  return h(
    "div",
    { class: "narrative-content" },
    sanitise(parseNarrative(xhtml), build, (href) => linkAttributes(href, base)),
  );
}

/** What an xhtml div says, without its markup. */
export function narrativeText(xhtml) {
  const build = { element: (_tag, _attributes, children) => ` ${children.join("")} `, text: (string) => string };
  return sanitise(parseNarrative(xhtml), build, () => null)
    .join("")
    .replace(/\s+/g, " ")
    .trim();
}

/** A section with the narrative; "" where there is none. base: the FHIR base. */
export function narrativeView(narrative, base) {
  if (!narrative?.div) return "";
  return h(
    "section",
    { class: "card narrative", "aria-label": "Narrative" },
    h("h2", {}, "Narrative", h("span", { class: "qualifier" }, narrative.status ?? "")),
    narrativeNodes(narrative.div, base),
  );
}

function linkAttributes(href, base) {
  const hash = referenceHash(href, base);
  if (hash) return { href: hash };
  if (/^https?:/i.test(href)) return { href, target: "_blank", rel: "noopener noreferrer" };
  return /^(?:mailto|tel):/i.test(href) ? { href } : null;
}

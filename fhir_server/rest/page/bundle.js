// The answer of a search, or of an operation that gives a Bundle: a table for each type, and the way to the next page.

import { h } from "./dom.js";
import { count, plural, typeLabel } from "./labels.js";
import { pagingLink, requestHash } from "./location.js";
import { outcomeView } from "./outcome.js";
import { resourceTable } from "./resource-table.js";

const PAGES = [
  ["first", "First"],
  ["previous", "Previous"],
  ["next", "Next"],
  ["last", "Last"],
];

/** The results of a Bundle. base: the FHIR base. */
export function bundleView(bundle, base) {
  const entries = (bundle.entry ?? []).filter((entry) => entry.resource);
  const outcomes = entries.filter(
    (entry) => entry.search?.mode === "outcome" || entry.resource.resourceType === "OperationOutcome",
  );
  const rest = entries.filter((entry) => !outcomes.includes(entry));
  const included = rest.filter((entry) => entry.search?.mode === "include");
  const matches = rest.filter((entry) => !included.includes(entry));
  return [
    outcomes.map((entry) => outcomeView(entry.resource)),
    h("p", { class: "total", role: "status" }, totalWords(bundle, matches.length, included.length)),
    groups(matches, "", base),
    included.length ? groups(included, "Included: ", base) : "",
    pager(bundle, base),
  ];
}

function totalWords(bundle, matches, included) {
  const total = bundle.total === undefined ? `${count(matches)} on this page` : `${count(bundle.total)} found`;
  const shown = bundle.total !== undefined && matches < Number(bundle.total) ? `, ${count(matches)} shown` : "";
  return `${total}${shown}${included ? `, ${count(included)} included` : ""}`;
}

function groups(entries, prefix, base) {
  const byType = new Map();
  for (const { resource } of entries) {
    const type = resource.resourceType;
    byType.set(type, [...(byType.get(type) ?? []), resource]);
  }
  const alone = byType.size === 1 && !prefix;
  return [...byType].map(([type, resources]) => {
    const caption = `${prefix}${typeLabel(type)}`;
    return h(
      "section",
      { class: "card" },
      alone ? "" : h("h2", {}, caption, h("span", { class: "qualifier" }, plural(resources.length, "resource"))),
      resourceTable(resources, caption, base),
    );
  });
}

/** Links to the other pages of a Bundle; "" where there are none. */
export function pager(bundle, base) {
  const links = new Map(
    (bundle.link ?? []).map((link) => [link.relation === "prev" ? "previous" : link.relation, link.url]),
  );
  if (!links.has("next") && !links.has("previous")) return "";
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    PAGES.map(([relation, words]) =>
      links.has(relation)
        ? h("a", { href: requestHash(pagingLink(links.get(relation), base)), rel: relation }, words)
        : h("span", { class: "absent", "aria-hidden": "true" }, words),
    ),
  );
}

// What refers to a resource, counted for each type and search parameter that may.

import { counts } from "./counts.js";
import { h } from "./dom.js";
import { count, typeLabel } from "./labels.js";
import { placeHash } from "./location.js";

/** Counts what refers to "Patient/1" -> a list of {type, searches: [{parameter, query, total}]}, most first. */
export async function readReferrers(session, path, capability) {
  const pairs = capability.referrers(path.split("/")[0]);
  if (!pairs.length) return [];
  const totals = await counts(
    session,
    pairs.map(([type, parameter]) => `${type}?${query(parameter, path)}`),
  );
  const byType = new Map();
  pairs.forEach(([type, parameter], index) => {
    if (!totals[index]) return;
    byType.set(type, [...(byType.get(type) ?? []), { parameter, query: query(parameter, path), total: totals[index] }]);
  });
  const most = (searches) => Math.max(...searches.map((search) => search.total));
  return [...byType]
    .map(([type, searches]) => ({ type, searches }))
    .sort((a, b) => most(b.searches) - most(a.searches));
}

const query = (parameter, path) => `${parameter}=${path}`;

/** The list of them, each a link to the search. */
export function referrersView(found) {
  if (!found.length) return h("p", { class: "card empty" }, "Nothing that is stored refers to this resource.");
  return h(
    "ul",
    { class: "card referrers" },
    found.map(({ type, searches }) =>
      h(
        "li",
        {},
        h("strong", {}, typeLabel(type)),
        searches.map((search) =>
          h(
            "a",
            { href: placeHash({ path: type, query: search.query }), class: "referrer" },
            `by ${search.parameter}`,
            h("span", { class: "figure" }, count(search.total)),
          ),
        ),
      ),
    ),
  );
}

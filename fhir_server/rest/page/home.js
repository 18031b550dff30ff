// The first page: what the server is, a search, and what is stored.

import { counts } from "./counts.js";
import { h } from "./dom.js";
import { count, plural, typeLabel } from "./labels.js";
import { placeHash } from "./location.js";
import { searchForm } from "./search-form.js";

/** Counts the resources of each type -> a list of {type, total}, most first, total null where it is not known. */
export async function readStored(session, capability) {
  const totals = await counts(session, capability.types);
  const stored = capability.types.map((type, index) => ({ type, total: totals[index] }));
  return stored.sort((a, b) => (b.total ?? 0) - (a.total ?? 0));
}

/** The page. stored: what readStored gave; go(hash): goes to a place. */
export function homeView({ stored, capability, go }) {
  const some = stored.filter(({ total }) => total);
  const none = stored.filter(({ total }) => !total).sort((a, b) => (a.type < b.type ? -1 : 1));
  const all = some.reduce((sum, { total }) => sum + total, 0);
  const first = some.find(({ type }) => type === "Patient")?.type ?? some[0]?.type ?? "";
  return [
    h("h1", { tabindex: "-1", class: "offscreen" }, capability.software.name),
    searchForm({ type: first, query: "", capability, go }),
    h(
      "section",
      { class: "stored", "aria-label": "What is stored" },
      h(
        "h2",
        {},
        some.length ? `${plural(all, "resource")} stored` : "Nothing is stored yet",
        capability.hasSystemInteraction("history-system") && some.length
          ? h("a", { href: placeHash({ path: "_history" }), class: "aside" }, "Latest changes")
          : "",
      ),
      some.length ? h("ul", { class: "types card" }, some.map(typeItem)) : emptyHint(),
      none.length
        ? h(
            "details",
            { class: "none" },
            h("summary", {}, `${count(none.length)} types with nothing stored`),
            h("ul", { class: "types" }, none.map(typeItem)),
          )
        : "",
    ),
  ];
}

function typeItem({ type, total }) {
  return h(
    "li",
    {},
    h(
      "a",
      { href: placeHash({ path: type }) },
      h("span", {}, typeLabel(type)),
      total ? h("span", { class: "figure" }, count(total)) : "",
    ),
  );
}

function emptyHint() {
  return h(
    "p",
    { class: "card empty" },
    "Load resources, Bundles or NDJSON with ",
    h("code", {}, "hms load PATH"),
    ", or send them to the FHIR base.",
  );
}

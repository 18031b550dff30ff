// A history: of one resource, with the difference between any two versions a click away, of a type, or of all.

import { pager } from "./bundle.js";
import { date } from "./dates.js";
import { diff } from "./diff.js";
import { h } from "./dom.js";
import { count, plural, typeLabel } from "./labels.js";
import { placeHash } from "./location.js";
import { title } from "./title.js";

const WORDS = { POST: "Created", PUT: "Updated", PATCH: "Updated", DELETE: "Deleted" };

/** A history Bundle's entries: a list of {path, version, when, method, resource (null for a deletion)}, latest first. */
export function versions(bundle) {
  return (bundle.entry ?? []).map(({ resource = null, request = {}, response = {}, fullUrl = "" }) => {
    const address = request.url?.includes("/") ? request.url : fullUrl;
    const path = resource ? `${resource.resourceType}/${resource.id}` : address.split("/").slice(-2).join("/");
    const version = resource?.meta?.versionId ?? /"([^"]*)"/.exec(response.etag ?? "")?.[1] ?? "";
    const deleted = request.method === "DELETE" || !resource;
    // An update that made the resource is a creation (https://hl7.org/fhir/R4/http.html#upsert).
    const created = request.method === "PUT" && /^201/.test(response.status ?? "");
    return {
      path,
      version,
      when: resource?.meta?.lastUpdated ?? response.lastModified ?? "",
      method: deleted ? "DELETE" : created ? "POST" : (request.method ?? "PUT"),
      resource,
    };
  });
}

/** The history of one resource. go(hash): goes to a place; base: the FHIR base. */
export function instanceHistory(bundle, path, base, go) {
  const list = versions(bundle);
  const choice = { from: list[1]?.version, to: list[0]?.version };
  const compare = () => go(placeHash({ path: `${path}/_history`, view: `diff:${choice.from}:${choice.to}` }));
  const pick = (side, version) =>
    h("input", {
      type: "radio",
      name: side,
      "aria-label": `Compare ${side} version ${version}`,
      checked: choice[side] === version,
      onchange: () => (choice[side] = version),
    });
  const rows = list.map((entry, index) =>
    h(
      "tr",
      {},
      list.length > 1 && [
        h("td", { class: "pick", "data-label": "From" }, pick("from", entry.version)),
        h("td", { class: "pick", "data-label": "To" }, pick("to", entry.version)),
      ],
      h("th", { scope: "row" }, versionLink(entry)),
      h("td", { "data-label": "What" }, WORDS[entry.method] ?? entry.method),
      h("td", { "data-label": "When" }, h("time", { datetime: entry.when, title: entry.when }, date(entry.when))),
      h("td", { "data-label": "Changes" }, changesLink(entry, list[index + 1], path)),
    ),
  );
  const headings = [...(list.length > 1 ? ["From", "To"] : []), "Version", "What", "When", "Changes"];
  return [
    h(
      "section",
      { class: "card" },
      h(
        "div",
        { class: "table-frame" },
        h(
          "table",
          { class: "history" },
          h("caption", { class: "offscreen" }, "Versions"),
          head(headings),
          h("tbody", {}, rows),
        ),
      ),
      list.length > 1 &&
        h(
          "div",
          { class: "actions" },
          h("button", { type: "button", class: "primary", onclick: compare }, "Compare the two"),
        ),
    ),
    pager(bundle, base),
  ];
}

function versionLink({ path, version, resource }) {
  return resource ? h("a", { href: placeHash({ path: `${path}/_history/${version}` }) }, version) : version;
}

function changesLink(entry, earlier, path) {
  if (!earlier) return "";
  const place = { path: `${path}/_history`, view: `diff:${earlier.version}:${entry.version}` };
  const changed = diff(withoutMeta(earlier.resource), withoutMeta(entry.resource)).length;
  return h("a", { href: placeHash(place) }, plural(changed, "change"));
}

/** A resource without what every version changes of itself. */
export function withoutMeta(resource) {
  if (!resource) return null;
  const { versionId: _version, lastUpdated: _updated, ...meta } = resource.meta ?? {};
  const { meta: _meta, ...rest } = resource;
  return Object.keys(meta).length ? { ...rest, meta } : rest;
}

/** The history of a type or of the whole system. */
export function wideHistory(bundle, base) {
  const rows = versions(bundle).map((entry) => {
    const [type, id] = entry.path.split("/");
    return h(
      "tr",
      {},
      h(
        "th",
        { scope: "row" },
        h(
          "a",
          { href: placeHash({ path: `${entry.path}/_history` }) },
          entry.resource ? title(entry.resource).text : id,
        ),
      ),
      h("td", { "data-label": "Type" }, typeLabel(type)),
      h("td", { "data-label": "Version" }, versionLink(entry)),
      h("td", { "data-label": "What" }, WORDS[entry.method] ?? entry.method),
      h("td", { "data-label": "When" }, h("time", { datetime: entry.when, title: entry.when }, date(entry.when))),
    );
  });
  const total = bundle.total === undefined ? "" : h("p", { class: "total" }, `${count(bundle.total)} changes`);
  return [
    total,
    h(
      "section",
      { class: "card" },
      h(
        "div",
        { class: "table-frame" },
        h(
          "table",
          {},
          h("caption", { class: "offscreen" }, "Changes"),
          head(["Name", "Type", "Version", "What", "When"]),
          h("tbody", {}, rows),
        ),
      ),
    ),
    pager(bundle, base),
  ];
}

function head(words) {
  return h(
    "thead",
    {},
    h(
      "tr",
      {},
      words.map((each) => h("th", { scope: "col" }, each)),
    ),
  );
}

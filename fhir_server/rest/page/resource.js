// The page of one resource: what it is called, its narrative, its elements.

import { date } from "./dates.js";
import { copyButton, h } from "./dom.js";
import { typeLabel } from "./labels.js";
import { codeOf, coding } from "./format.js";
import { placeHash } from "./location.js";
import { narrativeView } from "./narrative-view.js";
import { tabs } from "./tabs.js";
import { title } from "./title.js";
import { tree } from "./tree.js";

/** The heading that every view of a resource has. path: "Patient/1"; resource: null where there is none to read. */
export function resourceHeading(path, resource, current, capability) {
  const [type, id] = path.split("/");
  const views = [
    [{ path }, "Readable"],
    [{ path, view: "json" }, "JSON"],
    [{ path, view: "xml" }, "XML"],
    [{ path: `${type}/${id}/_history` }, "History"],
    [{ path: `${type}/${id}`, view: "referrers" }, "Referred to by"],
    capability.hasOperation("everything", type) && [
      { path: `${type}/${id}/$everything`, query: "_count=50" },
      "Everything",
    ],
    capability.hasOperation("fhirpath", type) && [{ path, view: "fhirpath" }, "FHIRPath"],
  ].filter(Boolean);
  return h(
    "header",
    { class: "resource-heading" },
    h("p", { class: "eyebrow" }, h("a", { href: placeHash({ path: type }) }, typeLabel(type))),
    h("h1", { tabindex: "-1" }, (resource && title(resource).text) || id),
    h(
      "p",
      { class: "identity" },
      h("code", {}, path),
      copyButton("Copy", "reference", () => path),
      resource ? metaNodes(resource.meta) : "",
    ),
    tabs(views, current),
  );
}

/** The readable view of a resource. base: the FHIR base. */
export function resourceView(resource, base) {
  return [
    narrativeView(resource.text, base),
    h("article", { class: "card" }, h("h2", { class: "offscreen" }, "Elements"), tree(resource, base)),
  ];
}

function metaNodes(meta = {}) {
  const labelled = [...(meta.security ?? []), ...(meta.tag ?? [])];
  return [
    meta.versionId && h("span", {}, `version ${meta.versionId}`),
    meta.lastUpdated &&
      h(
        "span",
        {},
        "updated ",
        h("time", { datetime: meta.lastUpdated, title: meta.lastUpdated }, date(meta.lastUpdated)),
      ),
    (meta.profile ?? []).map((profile) =>
      h("span", { class: "chip", title: profile }, `profile ${profile.split("/").at(-1)}`),
    ),
    labelled.map((each) => h("span", { class: "chip", title: codeOf(each) }, coding(each))),
  ];
}

// Resources of one type as a table.

import { columns } from "./columns.js";
import { date, period } from "./dates.js";
import { h, written } from "./dom.js";
import { text } from "./format.js";
import { label } from "./labels.js";
import { placeHash, referenceHash } from "./location.js";
import { shapeOf } from "./shapes.js";
import { title } from "./title.js";

const MOST_VALUES = { Identifier: 1, ContactPoint: 1, Address: 1 };
const MOST_VALUES_ELSE = 2;

/** The table. caption: what it lists, for those who can't see it; base: the FHIR base. */
export function resourceTable(resources, caption, base) {
  const shown = columns(resources);
  return h(
    "div",
    { class: "table-frame" },
    h(
      "table",
      { class: "resources" },
      h("caption", { class: "offscreen" }, caption),
      h(
        "thead",
        {},
        h("tr", {}, [
          heading(label(title(resources[0]).element) || "Id"),
          shown.map((column) => heading(column.label)),
          heading("Updated"),
        ]),
      ),
      h(
        "tbody",
        {},
        resources.map((resource) => resourceRow(resource, shown, base)),
      ),
    ),
  );
}

function heading(words) {
  return h("th", { scope: "col" }, words);
}

function resourceRow(resource, shown, base) {
  const { text: name } = title(resource);
  const link = h("a", { href: placeHash({ path: `${resource.resourceType}/${resource.id}` }) }, name || resource.id);
  const updated = resource.meta?.lastUpdated;
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, resource.id ? link : name),
    shown.map((column) => h("td", { "data-label": column.label }, cell(resource[column.element], base))),
    h("td", { "data-label": "Updated", class: "qualifier" }, updated ? when(updated) : ""),
  );
}

function cell(value, base) {
  const values = [value ?? []].flat();
  const most = (values.length && MOST_VALUES[shapeOf(values[0])]) || MOST_VALUES_ELSE;
  const nodes = values.slice(0, most).map((each) => h("div", {}, brief(each, base)));
  return [nodes, values.length > most && h("div", { class: "more" }, `+${values.length - most} more`)];
}

// In a table a code's words, a time without its zone and the start of an id are enough; the rest is on hover, and on the
// resource's own page.
function brief(value, base) {
  const shape = shapeOf(value);
  if (shape === "date") return when(value);
  if (shape === "Period") return h("span", { title: text(value) }, period(value, false));
  if (shape === "Quantity" || shape === "Money") return h("span", { class: "figure" }, text(value));
  const hash = shape === "Reference" && value.reference ? referenceHash(value.reference, base) : null;
  if (shape === "Identifier") return value.value ?? text(value);
  if (!hash) return written(text(value));
  const shown = value.display ?? value.reference.replace(/([0-9a-f]{8})-[0-9a-f-]{27}$/, "$1…");
  return h("a", { href: hash, title: value.reference, class: value.display ? null : "reference" }, shown);
}

function when(instant) {
  return h("time", { datetime: instant, title: instant }, date(instant, false));
}

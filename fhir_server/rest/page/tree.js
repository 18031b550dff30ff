// Any resource as a readable tree: labels and values, extensions folded, nothing known of its type.

import { fold, h } from "./dom.js";
import { label, plural, systemLabel, typeLabel } from "./labels.js";
import { itemTable } from "./item-table.js";
import { shapeOf } from "./shapes.js";
import { title } from "./title.js";
import { valueNodes } from "./value.js";

const MOST_ITEMS = 30;
const SHOWN_ELSEWHERE = new Set(["resourceType", "id", "meta", "text", "contained"]);

/** The elements of a resource as a description list. base: the FHIR base. */
export function tree(resource, base) {
  const own = Object.fromEntries(Object.entries(resource).filter(([name]) => !SHOWN_ELSEWHERE.has(name)));
  return [
    elements(own, resource.resourceType ?? "", base),
    (resource.contained ?? []).map((each) => containedView(each, base)),
  ];
}

function containedView(resource, base) {
  return h(
    "section",
    { class: "contained", "data-contained": resource.id ?? "" },
    h(
      "h3",
      {},
      title(resource).text,
      h("span", { class: "qualifier" }, `contained ${typeLabel(resource.resourceType ?? "")}`),
    ),
    tree(resource, base),
  );
}

/** The properties of an object as a description list; path: where it stands, as FHIRPath. */
function elements(object, path, base) {
  const names = Object.keys(object).filter((name) => name !== "extension" && name !== "id");
  const rows = names
    .filter((name) => name[0] !== "_" || !(name.slice(1) in object))
    .map((name) => {
      const bare = name.replace(/^_/, "");
      return row(bare, object[bare], object[`_${bare}`], `${path}.${bare}`, base);
    });
  return h("dl", { class: "elements" }, rows, object.extension && extensionRow(object.extension, base));
}

function row(name, value, twin, path, base) {
  const items = [value ?? twin.map?.(() => null) ?? null].flat();
  const twins = [twin ?? []].flat();
  const shown = items.slice(0, MOST_ITEMS).map((item, index) => itemView(item, twins[index], path, base));
  const rest = items.slice(MOST_ITEMS);
  const content =
    name === "modifierExtension"
      ? items.map((item) => extensionView(item, base))
      : (itemTable(items, base) ?? [
          shown,
          rest.length
            ? fold(`${plural(rest.length, "more item")}`, () => rest.map((item) => itemView(item, null, path, base)))
            : "",
        ]);
  return h(
    "div",
    { class: name === "modifierExtension" ? "row modifier" : "row" },
    h("dt", { title: path }, label(name)),
    h("dd", {}, content),
  );
}

function itemView(item, twin, path, base) {
  const extensions = [...(item?.extension ?? []), ...(twin?.extension ?? [])];
  const folded = extensions.length ? extensionFold(extensions, base) : "";
  if (item === null) return h("div", { class: "item" }, h("span", { class: "absent" }, "no value"), folded);
  if (shapeOf(item) === "resource") return h("div", { class: "item" }, resourceFold(item, base));
  const nodes = valueNodes(item, base);
  if (nodes) return h("div", { class: "item" }, nodes, folded);
  const own = { ...item };
  delete own.extension;
  return h("div", { class: "item nested" }, elements(own, path, base), folded);
}

function resourceFold(resource, base) {
  const summary = `${typeLabel(resource.resourceType)} ${title(resource).text}`;
  return fold(summary, () => h("div", { class: "nested" }, tree(resource, base)));
}

function extensionRow(extensions, base) {
  return h("div", { class: "row" }, h("dt", {}, "Extensions"), h("dd", {}, extensionFold(extensions, base)));
}

function extensionFold(extensions, base) {
  const names = [...new Set(extensions.map((each) => label(systemLabel(each.url ?? "")).replaceAll("-", " ")))].join(
    ", ",
  );
  return fold(
    `${plural(extensions.length, "extension")}: ${names.length > 90 ? `${names.slice(0, 89)}…` : names}`,
    () => extensions.map((each) => extensionView(each, base)),
  );
}

function extensionView(extension, base) {
  const [, value] = Object.entries(extension).find(([name]) => name.startsWith("value")) ?? [];
  return h(
    "div",
    { class: "extension" },
    h("span", { class: "extension-name", title: extension.url ?? null }, systemLabel(extension.url ?? "")),
    value === undefined ? "" : h("div", {}, valueNodes(value, base) ?? elements(value, "value", base)),
    (extension.extension ?? []).map((each) => extensionView(each, base)),
  );
}

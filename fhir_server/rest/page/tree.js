// Any resource as a readable tree: labels and values, extensions folded, nothing known of its type.

import { fold, h } from "./dom.js";
import { text } from "./format.js";
import { label, plural, systemLabel, typeLabel } from "./labels.js";
import { Digits } from "./json.js";
import { itemTable } from "./item-table.js";
import { shapeOf } from "./shapes.js";
import { title } from "./title.js";
import { valueNodes } from "./value.js";

const MOST_ITEMS = 30;

// How deep nested objects are shown open: a resource of many values opens level by level.
const MANY_VALUES = 400;
const DEEPEST_OPEN = { few: 4, many: 1 };
const SHOWN_ELSEWHERE = new Set(["resourceType", "id", "meta", "text", "contained"]);

/** The elements of a resource as a description list. base: the FHIR base. */
export function tree(resource, base) {
  const own = Object.fromEntries(Object.entries(resource).filter(([name]) => !SHOWN_ELSEWHERE.has(name)));
  const deepest = valueCount(own) > MANY_VALUES ? DEEPEST_OPEN.many : DEEPEST_OPEN.few;
  return [
    elements(own, { path: resource.resourceType ?? "", depth: 0, deepest, base }),
    (resource.contained ?? []).map((each) => containedView(each, base)),
  ];
}

function containedView(resource, base) {
  const kind = h("span", { class: "qualifier" }, `contained ${typeLabel(resource.resourceType ?? "")}`);
  return h(
    "section",
    { class: "contained", "data-contained": resource.id ?? "" },
    h("h3", {}, title(resource).text, kind),
    tree(resource, base),
  );
}

function valueCount(value) {
  if (typeof value !== "object" || value === null || value instanceof Digits) return 1;
  return Object.values(value).reduce((sum, each) => sum + valueCount(each), 0);
}

// at: where an object stands: its FHIRPath, how deep it is nested and how deep to show it open, the FHIR base.
function elements(object, at) {
  const names = Object.keys(object).filter((name) => name !== "extension" && name !== "id");
  const rows = names
    .filter((name) => name[0] !== "_" || !(name.slice(1) in object))
    .map((name) => {
      const bare = name.replace(/^_/, "");
      return row(bare, object[bare], object[`_${bare}`], { ...at, path: `${at.path}.${bare}` });
    });
  return h("dl", { class: "elements" }, rows, object.extension && extensionRow(object.extension, at));
}

function row(name, value, twin, at) {
  const modifier = name === "modifierExtension";
  const twins = [twin ?? []].flat();
  const items = value === undefined ? twins.map(() => null) : [value].flat();
  const content = modifier
    ? items.map((item) => extensionView(item, at))
    : (itemTable(items, at.base) ?? list(items, twins, at));
  return h(
    "div",
    { class: modifier ? "row modifier" : "row" },
    h("dt", { title: at.path }, label(name)),
    h("dd", {}, content),
  );
}

function list(items, twins, at) {
  const views = (from, to) => items.slice(from, to).map((item, index) => itemView(item, twins[from + index], at));
  const rest = items.length - MOST_ITEMS;
  return [views(0, MOST_ITEMS), rest > 0 ? fold(plural(rest, "more item"), () => views(MOST_ITEMS)) : ""];
}

function itemView(item, twin, at) {
  const extensions = [...(item?.extension ?? []), ...(twin?.extension ?? [])];
  const folded = extensions.length ? extensionFold(extensions, at) : "";
  if (item === null) return h("div", { class: "item" }, h("span", { class: "absent" }, "no value"), folded);
  if (shapeOf(item) === "resource") return h("div", { class: "item" }, resourceFold(item, at.base));
  // A version may look like a date, and is none.
  const nodes = /[vV]ersion$/.test(at.path) && typeof item === "string" ? [item] : valueNodes(item, at.base);
  if (nodes) return h("div", { class: "item" }, nodes, folded);
  const { extension: _shownApart, ...own } = item;
  const nested = () => elements(own, { ...at, depth: at.depth + 1 });
  return h("div", { class: "item nested" }, at.depth < at.deepest ? nested() : fold(summary(own), nested), folded);
}

// The first words of an object, for what is folded.
function summary(object) {
  const words = Object.values(object).map(text).filter(Boolean);
  return shortened(words.slice(0, 2).join(" · ")) || "Details";
}

function shortened(words) {
  return words.length > 90 ? `${words.slice(0, 89)}…` : words;
}

function resourceFold(resource, base) {
  const words = `${typeLabel(resource.resourceType)} ${title(resource).text}`;
  return fold(words, () => h("div", { class: "nested" }, tree(resource, base)));
}

function extensionRow(extensions, at) {
  return h("div", { class: "row" }, h("dt", {}, "Extensions"), h("dd", {}, extensionFold(extensions, at)));
}

function extensionFold(extensions, at) {
  const names = extensions.map((each) => label(systemLabel(each.url ?? "")).replaceAll("-", " "));
  const words = `${plural(extensions.length, "extension")}: ${[...new Set(names)].join(", ")}`;
  return fold(shortened(words), () => extensions.map((each) => extensionView(each, at)));
}

function extensionView(extension, at) {
  const [name, value] = Object.entries(extension).find(([each]) => each.startsWith("value")) ?? [];
  return h(
    "div",
    { class: "extension" },
    h("span", { class: "extension-name", title: extension.url ?? null }, systemLabel(extension.url ?? "")),
    value === undefined ? "" : h("div", {}, valueNodes(value, at.base) ?? elements(value, { ...at, path: name })),
    (extension.extension ?? []).map((each) => extensionView(each, at)),
  );
}

// Items of one array as a table, where they are alike and small enough for a table to read better than a list.

import { h } from "./dom.js";
import { text } from "./format.js";
import { label } from "./labels.js";
import { shapeOf } from "./shapes.js";
import { valueNodes } from "./value.js";

const FEWEST_ITEMS = 3;
const MOST_ITEMS = 500;
const MOST_COLUMNS = 6;
const LONGEST_CELL = 120;

/** A table of these items, or null where a table would not do. base: the FHIR base. */
export function itemTable(items, base) {
  if (items.length < FEWEST_ITEMS || items.length > MOST_ITEMS) return null;
  if (items.some((item) => item === null || typeof item !== "object" || shapeOf(item) !== "backbone")) return null;
  const names = [...new Set(items.flatMap((item) => Object.keys(item)))].filter((name) => name !== "id");
  if (names.length < 2 || names.length > MOST_COLUMNS || !items.every((item) => Object.values(item).every(isSmall)))
    return null;
  const cell = (item, name) =>
    h(
      "td",
      { "data-label": label(name) },
      [item[name] ?? []].flat().map((value) => h("div", {}, valueNodes(value, base))),
    );
  return h(
    "div",
    { class: "table-frame" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          names.map((name) => h("th", { scope: "col" }, label(name))),
        ),
      ),
      h(
        "tbody",
        {},
        items.map((item) =>
          h(
            "tr",
            {},
            names.map((name) => cell(item, name)),
          ),
        ),
      ),
    ),
  );
}

function isSmall(value) {
  return [value].flat().every((each) => {
    const shape = each === null ? "backbone" : shapeOf(each);
    return shape !== "backbone" && shape !== "resource" && shape !== "Attachment" && text(each).length <= LONGEST_CELL;
  });
}

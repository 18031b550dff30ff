// Which columns a table of resources gets: chosen from what the resources hold, whatever their type.

import { isDate } from "./dates.js";
import { text } from "./format.js";
import { label } from "./labels.js";
import { shapeOf } from "./shapes.js";
import { title } from "./title.js";

const MOST_COLUMNS = 5;
const LONGEST_TEXT = 60;
const LEFT_OUT = new Set([
  "resourceType",
  "id",
  "meta",
  "text",
  "implicitRules",
  "language",
  "contained",
  "extension",
  "modifierExtension",
]);

// How telling an element is, by the pattern that FHIR's resources share (https://hl7.org/fhir/R4/fivews.html), and where
// its column stands: what was found, who it is about, when it was, its state, what kind, who did it.
const PATTERNS = [
  { names: /^(value|result|conclusion|total|payment)/, weight: 9, place: 1 },
  { names: /^(subject|patient|beneficiary|individual)$/, weight: 8, place: 2 },
  {
    names:
      /^(effective|performed|occurrence|onset|started|period|billablePeriod|date|authored|recorded|issued|created|birthDate|validityPeriod)/,
    weight: 7,
    place: 3,
  },
  { names: /^status$|^(clinical|lifecycle)Status$|^active$/, weight: 6, place: 4 },
  { names: /^(gender|category|class|type|intent|priority|address|telecom)$/, weight: 4, place: 5 },
  { names: /^identifier$/, weight: 3, place: 6 },
  { names: /./, weight: 1, place: 7 },
];
const KINDS = {
  Reference: 1,
  CodeableConcept: 1,
  Coding: 1,
  Quantity: 2,
  Money: 2,
  Period: 1,
  date: 1,
  HumanName: 1,
  Address: 0.5,
  ContactPoint: 0.2,
  Identifier: 0,
  number: 0.5,
  boolean: 0.2,
  string: 0.2,
};

/** The columns for resources of one type: a list of {element, label}, at most five, in the order to show. */
export function columns(resources) {
  const naming = new Set(resources.map((resource) => title(resource).element));
  const elements = new Set(resources.flatMap((resource) => Object.keys(resource)));
  return [...elements]
    .filter((element) => !LEFT_OUT.has(element) && element[0] !== "_" && !naming.has(element))
    .map((element) => rated(element, resources))
    .filter((column) => column.score > 0)
    .sort((a, b) => b.score - a.score)
    .filter(oncePerKind())
    .slice(0, MOST_COLUMNS)
    .sort((a, b) => a.place - b.place)
    .map(({ element }) => ({ element, label: label(element) }));
}

function rated(element, resources) {
  const values = resources.map((resource) => resource[element]).filter((value) => value !== undefined);
  const sample = [values[0]].flat()[0];
  const kind = sample === undefined ? "" : shapeOf(sample);
  const { weight, place } = PATTERNS.find((pattern) => pattern.names.test(element));
  const readable = kind in KINDS && values.some((value) => isShort(text(value)));
  const spread = kind === "string" && weight === 1 && values.every((value) => !isDate(String(value))) ? 0.5 : 1;
  return {
    element,
    kind,
    place,
    score: readable ? ((weight + KINDS[kind]) * spread * values.length) / resources.length : 0,
  };
}

// Two columns of when, or three of who, tell less than something else would.
function oncePerKind() {
  const seen = new Map();
  const most = { date: 1, Period: 1, Reference: 2, ContactPoint: 1, Identifier: 1, Address: 1 };
  return ({ kind }) => {
    const group = kind === "Period" ? "date" : kind;
    seen.set(group, (seen.get(group) ?? 0) + 1);
    return seen.get(group) <= (most[kind] ?? Infinity);
  };
}

// A random id tells a reader nothing.
function isShort(shown) {
  return shown !== "" && shown.length <= LONGEST_TEXT && !/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/.test(shown);
}

// Which data type a value of a resource is, told by its shape: the page knows no resource type's elements.
// https://hl7.org/fhir/R4/datatypes.html

import { isDate } from "./dates.js";
import { Digits } from "./json.js";

const CONTACT_SYSTEMS = new Set(["phone", "fax", "email", "pager", "url", "sms", "other"]);
const isText = (value) => typeof value === "string";
const isNumber = (value) => value instanceof Digits;

// Each data type: the properties that it has, and what must hold beyond having no others. The first that fits is it.
const SHAPES = [
  ["Reference", "reference type identifier display", (v) => isText(v.reference) || v.identifier?.value !== undefined],
  ["ContactPoint", "system value use rank period", (v) => CONTACT_SYSTEMS.has(v.system)],
  ["Quantity", "value comparator unit system code", (v) => isNumber(v.value) || isText(v.unit)],
  ["Money", "value currency", (v) => isNumber(v.value) && isText(v.currency)],
  ["Identifier", "use type system value period assigner", (v) => isText(v.value)],
  ["Coding", "system version code display userSelected", (v) => isText(v.code) || isText(v.display)],
  ["CodeableConcept", "coding text", (v) => Array.isArray(v.coding) || isText(v.text)],
  ["HumanName", "use text family given prefix suffix period", (v) => isText(v.family) || v.given || isText(v.text)],
  [
    "Address",
    "use type text line city district state postalCode country period",
    (v) => [v.line, v.city, v.state, v.country, v.postalCode, v.text].some((part) => part !== undefined),
  ],
  ["Period", "start end", (v) => isText(v.start) || isText(v.end)],
  ["Range", "low high", (v) => isQuantity(v.low) || isQuantity(v.high)],
  ["Ratio", "numerator denominator", (v) => isQuantity(v.numerator) || isQuantity(v.denominator)],
  [
    "Attachment",
    "contentType language data url size hash title creation",
    (v) => [v.contentType, v.data, v.hash, v.size].some((part) => part !== undefined) || (v.url && v.title),
  ],
  ["Annotation", "authorReference authorString time text", (v) => isText(v.text)],
  ["Timing", "event repeat code", (v) => v.repeat !== undefined || Array.isArray(v.event)],
  [
    "SampledData",
    "origin period factor lowerLimit upperLimit dimensions data",
    (v) => v.origin !== undefined && v.dimensions !== undefined,
  ],
  ["Narrative", "status div", (v) => isText(v.div)],
].map(([name, properties, fits]) => ({ name, properties: new Set(properties.split(" ")), fits }));

/**
 * The data type of one value (not of an array): a name of SHAPES, "resource", "backbone" for any other object;
 * "number" | "boolean" | "date" | "string" for a primitive.
 */
export function shapeOf(value) {
  if (isNumber(value)) return "number";
  if (isText(value)) return isDate(value) ? "date" : "string";
  if (typeof value !== "object" || value === null) return "boolean";
  if (isText(value.resourceType)) return "resource";
  const names = Object.keys(value).filter((name) => name !== "id" && name !== "extension" && name[0] !== "_");
  return (
    SHAPES.find((shape) => names.every((name) => shape.properties.has(name)) && shape.fits(value))?.name ?? "backbone"
  );
}

function isQuantity(value) {
  return typeof value === "object" && value !== null && (isNumber(value.value) || isText(value.unit));
}

// What to call a resource of any type, from the elements that name things across FHIR.

import { text } from "./format.js";
import { shapeOf } from "./shapes.js";

// Elements that name a resource, best first, by FHIR's naming conventions.
const NAMING = ["title", "name", "deviceName", "code", "type"];
const NOT_NAMING = /status|category|priority|intent|language|jurisdiction|confidentiality|security|^class|^reason/i;
const CODED = new Set(["CodeableConcept", "Coding"]);

/** {text, element}: the name of a resource and the element that gave it ("" for the id). */
export function title(resource) {
  for (const element of [...NAMING, ...codedElements(resource), "description"]) {
    const value = resource[element];
    const shown = text(Array.isArray(value) ? (value.find(isCurrent) ?? value[0]) : value);
    if (shown) return { text: shown.length > 120 ? `${shown.slice(0, 119)}…` : shown, element };
  }
  return { text: resource.id ?? "", element: "" };
}

function codedElements(resource) {
  return Object.keys(resource).filter((element) => {
    const value = [resource[element]].flat()[0];
    return !NOT_NAMING.test(element) && value !== undefined && CODED.has(shapeOf(value));
  });
}

// Of several names the official one in use is shown (https://hl7.org/fhir/R4/valueset-name-use.html).
function isCurrent(value) {
  return value?.use === "official" || value?.use === "usual";
}

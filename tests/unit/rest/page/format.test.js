import assert from "node:assert/strict";
import test from "node:test";
import { date, period } from "../../../../fhir_server/rest/page/dates.js";
import { codeOf, text } from "../../../../fhir_server/rest/page/format.js";
import { parse } from "../../../../fhir_server/rest/page/json.js";
import { bytes, count, label, typeLabel } from "../../../../fhir_server/rest/page/labels.js";
import { shapeOf } from "../../../../fhir_server/rest/page/shapes.js";

const fhir = (value) => parse(JSON.stringify(value));

const VALUES = [
  ["HumanName", { prefix: ["Dr."], given: ["Ada", "M."], family: "Byron" }, "Dr. Ada M. Byron"],
  ["HumanName", { use: "old", text: "Ada Byron", family: "Byron" }, "Ada Byron"],
  ["Address", { line: ["1 Main St"], city: "Salem", state: "MA", postalCode: "01907" }, "1 Main St, Salem MA 01907"],
  [
    "CodeableConcept",
    { coding: [{ system: "http://loinc.org", code: "8302-2", display: "Body height" }] },
    "Body height",
  ],
  ["CodeableConcept", { coding: [{ code: "a" }], text: "Said so" }, "Said so"],
  ["Coding", { system: "http://loinc.org", code: "8302-2" }, "8302-2"],
  ["Quantity", { value: 7, unit: "kg", comparator: "<" }, "< 7 kg"],
  ["Quantity", { value: 40, unit: "%" }, "40%"],
  ["Money", { value: 12, currency: "EUR" }, "12 EUR"],
  ["Period", { start: "2020-01-01" }, "since 1 Jan 2020"],
  ["Range", { low: { value: 1 }, high: { value: 2 } }, "1 – 2"],
  ["Ratio", { numerator: { value: 1, unit: "mg" }, denominator: { value: 5, unit: "ml" } }, "1 mg / 5 ml"],
  ["Reference", { reference: "Patient/1", display: "Ada" }, "Ada"],
  ["Reference", { reference: "#p" }, "#p"],
  ["Reference", { identifier: { value: "42", system: "urn:x" } }, "42 (urn:x)"],
  ["Identifier", { system: "http://hl7.org/fhir/sid/us-npi", value: "99" }, "99 (NPI)"],
  ["ContactPoint", { system: "phone", value: "555", use: "home" }, "555 (home)"],
  ["Attachment", { contentType: "application/pdf", title: "Letter", size: 1200 }, "Letter (1.2 kB)"],
  ["Annotation", { time: "2020-01-01", text: "Calm" }, "Calm (1 Jan 2020)"],
  ["Timing", { repeat: { frequency: 2, period: 1, periodUnit: "d" } }, "2× every day"],
  ["resource", { resourceType: "Patient", id: "1" }, "Patient/1"],
  ["backbone", { name: { family: "B" }, relationship: [] }, ""],
  ["backbone", { url: "http://x", valueString: "y" }, ""],
  ["boolean", true, "Yes"],
  ["string", "final", "final"],
  ["date", "2020-02", "Feb 2020"],
];

for (const [shape, value, words] of VALUES) {
  test(`${shape} ${JSON.stringify(value)} is "${words}"`, () => {
    const parsed = fhir(value);
    assert.equal(shapeOf(parsed), shape);
    assert.equal(text(parsed), words);
  });
}

test("extensions and ids on a value do not hide its type", () => {
  assert.equal(shapeOf(fhir({ id: "a", start: "2020", _start: {}, extension: [{ url: "x" }] })), "Period");
});

test("decimals are shown with the digits that were recorded", () => {
  assert.equal(text(parse('{"value": 1.50, "unit": "cm"}')), "1.50 cm");
});

test("dates are shown as precise as they are, and never shifted", () => {
  assert.equal(date("1974"), "1974");
  assert.equal(date("1974-12"), "Dec 1974");
  assert.equal(date("1974-12-05"), "5 Dec 1974");
  assert.equal(date("2015-02-07T13:28:17.239+02:00"), "7 Feb 2015, 13:28 +02:00");
  assert.equal(date("2015-02-07T13:28:17Z"), "7 Feb 2015, 13:28 UTC");
  assert.equal(date("2015-13-07"), "2015-13-07");
});

test("a period says a shared day and zone once", () => {
  assert.equal(period({ start: "2020-01-01T08:00:00Z", end: "2020-01-01T09:30:00Z" }), "1 Jan 2020, 08:00 – 09:30 UTC");
  assert.equal(period({ start: "2020-01-01", end: "2020-02-03" }), "1 Jan 2020 – 3 Feb 2020");
  assert.equal(period({ end: "2020" }), "until 2020");
});

test("names become labels, the type of a choice is left out", () => {
  assert.equal(label("birthDate"), "Birth date");
  assert.equal(label("valueCodeableConcept"), "Value");
  assert.equal(label("referenceRange"), "Reference range");
  assert.equal(label("postalCode"), "Postal code");
  assert.equal(typeLabel("ExplanationOfBenefit"), "Explanation of benefit");
});

test("codes name their system", () => {
  assert.equal(codeOf({ system: "http://snomed.info/sct", code: "1" }), "SNOMED CT 1");
  assert.equal(codeOf({ system: "http://example.org/codes/colour", code: "red" }), "colour red");
});

test("counts and sizes are short", () => {
  assert.equal(count(1234567), "1,234,567");
  assert.equal(bytes(999), "999 B");
  assert.equal(bytes(12_400), "12.4 kB");
});

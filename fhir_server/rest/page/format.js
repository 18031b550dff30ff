// Any value of a resource as one line of text for people.

import { date, period } from "./dates.js";
import { bytes, systemLabel } from "./labels.js";
import { shapeOf } from "./shapes.js";

const joined = (parts, separator = " ") => parts.flat().filter(Boolean).map(String).join(separator);

const FORMATS = {
  HumanName: (v) => v.text || joined([v.prefix, v.given, v.family, v.suffix]),
  Address: (v) => v.text || joined([v.line, v.district, joined([v.city, v.state, v.postalCode]), v.country], ", "),
  CodeableConcept: (v) => v.text || joined([...new Set((v.coding ?? []).map(coding))], ", "),
  Coding: coding,
  Quantity: quantity,
  Money: (v) => joined([v.value, v.currency]),
  Period: (v) => period(v),
  Range: (v) => joined([v.low ? quantity(v.low) : "", v.high ? `– ${quantity(v.high)}` : ""]),
  Ratio: (v) => joined([v.numerator ? quantity(v.numerator) : "", v.denominator ? quantity(v.denominator) : ""], " / "),
  Reference: (v) => v.display || v.reference || identifier(v.identifier ?? {}),
  Identifier: identifier,
  ContactPoint: (v) => joined([v.value ?? v.system, v.use && `(${v.use})`]),
  Attachment: (v) =>
    joined([v.title || v.url || v.contentType || "Attachment", v.size && `(${bytes(Number(v.size))})`]),
  Annotation: (v) => joined([v.text, v.time && `(${date(v.time)})`]),
  Timing: timing,
  SampledData: (v) => `${String(v.data ?? "").split(" ").length} samples, every ${v.period ?? "?"} ms`,
  resource: (v) => joined([v.resourceType, v.id], "/"),
  boolean: (v) => (v === true ? "Yes" : v === false ? "No" : ""),
  date: (v) => date(v),
  string: (v) => v,
  number: (v) => v.text,
};

/** One value, or each of an array, as text; "" where there is no way to say it in a line. */
export function text(value) {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return joined(value.map(text), ", ");
  return FORMATS[shapeOf(value)]?.(value) ?? "";
}

/** The text of a Coding: its display, or its code. */
export function coding(value) {
  return value.display || value.code || (value.system ? systemLabel(value.system) : "");
}

/** The exact code behind a Coding for those who want it: "LOINC 8302-2". */
export function codeOf(value) {
  return joined([value.system && systemLabel(value.system), value.code]);
}

function quantity(value) {
  const amount = `${value.comparator ? `${value.comparator} ` : ""}${value.value ?? ""}`;
  const unit = value.unit ?? value.code ?? "";
  return unit === "%" ? amount + unit : joined([amount, unit]);
}

function identifier(value) {
  const kind = value.type?.text || value.type?.coding?.[0]?.display || (value.system && systemLabel(value.system));
  return joined([value.value, kind && value.value !== kind ? `(${kind})` : ""]);
}

function timing(value) {
  const concept = value.code && FORMATS.CodeableConcept(value.code);
  const { frequency, frequencyMax, period: length, periodUnit, boundsPeriod, when } = value.repeat ?? {};
  const units = { s: "second", min: "minute", h: "hour", d: "day", wk: "week", mo: "month", a: "year" };
  const unit = units[periodUnit] ?? periodUnit;
  const every = length && (Number(length) === 1 ? `every ${unit}` : `every ${length} ${unit}s`);
  const times = frequency && `${joined([frequency, frequencyMax], "–")}×`;
  return joined([concept, concept ? "" : joined([times, every, when]), text(boundsPeriod), text(value.event)], ", ");
}

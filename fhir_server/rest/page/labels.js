// Words for people, made from FHIR's names.

// The types of a choice element that its name ends with (https://hl7.org/fhir/R4/formats.html#choice), those only that
// never end another element's name.
const CHOICE =
  /(?<=[a-z])(CodeableConcept|DateTime|Quantity|Boolean|String|Integer|Reference|SampledData|Instant|Timing|Attachment|Coding|Money|Uri)$/;

/** An element's name as a label: "birthDate" -> "Birth date", "valueQuantity" -> "Value". */
export function label(name) {
  return sentence(name.replace(CHOICE, ""));
}

/** A resource type's name in words: "MedicationRequest" -> "Medication request". */
export function typeLabel(type) {
  return sentence(type);
}

function sentence(name) {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/([A-Z])([A-Z][a-z])/g, "$1 $2");
  const lower = words.replace(/\b[A-Z](?=[a-z])/g, (letter) => letter.toLowerCase());
  return lower.charAt(0).toUpperCase() + lower.slice(1);
}

// Code systems that clinicians know by name (https://hl7.org/fhir/R4/terminologies-systems.html).
const SYSTEMS = {
  "http://snomed.info/sct": "SNOMED CT",
  "http://loinc.org": "LOINC",
  "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
  "http://unitsofmeasure.org": "UCUM",
  "http://hl7.org/fhir/sid/icd-10": "ICD-10",
  "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
  "http://hl7.org/fhir/sid/icd-9-cm": "ICD-9-CM",
  "http://hl7.org/fhir/sid/cvx": "CVX",
  "http://hl7.org/fhir/sid/mvx": "MVX",
  "http://hl7.org/fhir/sid/ndc": "NDC",
  "http://hl7.org/fhir/sid/us-npi": "NPI",
  "http://hl7.org/fhir/sid/us-ssn": "SSN",
  "http://www.ama-assn.org/go/cpt": "CPT",
  "http://www.whocc.no/atc": "ATC",
  "http://dicom.nema.org/resources/ontology/DCM": "DICOM",
  "urn:ietf:bcp:47": "BCP 47",
  "urn:iso:std:iso:3166": "ISO 3166",
  "urn:ietf:rfc:3986": "URI",
};

/** A short name of a code system or identifier system; the last part of its URI where it is not a well-known one. */
export function systemLabel(system) {
  if (SYSTEMS[system]) return SYSTEMS[system];
  return (
    system
      .replace(/[/#]+$/, "")
      .split(/[/#]/)
      .at(-1) || system
  );
}

/** A number of bytes for people: 812 B, 12.4 kB, 3.1 MB. */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(count < 100_000 ? 1 : 0)} kB`;
  return `${(count / 1_000_000).toFixed(1)} MB`;
}

/** A count with thin separators: 12345 -> "12,345". */
export function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A count with its noun: "1 change", "3 changes". */
export function plural(number, noun) {
  return `${count(number)} ${noun}${Number(number) === 1 ? "" : "s"}`;
}

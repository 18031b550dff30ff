import assert from "node:assert/strict";
import test from "node:test";
import { Capability } from "../../../../fhir_server/rest/page/capability.js";
import { formatCriteria, parseCriteria } from "../../../../fhir_server/rest/page/criteria.js";
import {
  parameterOf,
  suggestParameters,
  suggestRequest,
  suggestTypes,
  suggestValues,
} from "../../../../fhir_server/rest/page/suggest.js";

const parameters = (...named) => named.map(([name, type, documentation = ""]) => ({ name, type, documentation }));
const capability = new Capability({
  rest: [
    {
      mode: "server",
      operation: [{ name: "fhirpath" }],
      resource: [
        {
          type: "Patient",
          searchRevInclude: ["Observation:subject", "Observation:patient"],
          searchParam: parameters(
            [
              "name",
              "string",
              "Multiple Resources: \r\n\r\n* [Patient](patient.html): A name\r\n* [Person](person.html): Other",
            ],
            ["birthdate", "date"],
            ["gender", "token"],
            ["general-practitioner", "reference"],
          ),
        },
        {
          type: "Observation",
          searchInclude: ["Observation:subject"],
          searchParam: parameters(
            ["subject", "reference"],
            ["patient", "reference"],
            ["code", "token"],
            ["value-quantity", "quantity"],
          ),
        },
        { type: "PlanDefinition" },
      ],
    },
  ],
});
const names = (typed, type) => suggestParameters(typed, type, capability).map(({ text }) => text);

test("types that start with what was typed come first", () => {
  assert.deepEqual(
    suggestTypes("p", capability).map(({ text }) => text),
    ["Patient", "PlanDefinition"],
  );
  assert.deepEqual(
    suggestTypes("def", capability).map(({ text }) => text),
    ["PlanDefinition"],
  );
});

test("parameters come with their type and the documentation of their resource", () => {
  const [found] = suggestParameters("na", "Patient", capability);
  assert.deepEqual(found, { text: "name", label: "name", kind: "string", hint: "A name" });
});

test("parameters of the answer come after those of the type", () => {
  assert.ok(names("", "Patient").indexOf("gender") < names("", "Patient").indexOf("_sort"));
});

test("a chain suggests the target's types and parameters", () => {
  assert.deepEqual(names("subject:", "Observation"), ["subject:Patient"]);
  assert.deepEqual(names("subject:Patient.na", "Observation"), ["subject:Patient.name"]);
  assert.deepEqual(names("subject.birth", "Observation"), ["subject.birthdate"]);
});

test("_has suggests types, references and parameters in turn", () => {
  assert.deepEqual(names("_has:Obs", "Patient"), ["_has:Observation"]);
  assert.deepEqual(names("_has:Observation:pat", "Patient"), ["_has:Observation:patient"]);
  assert.deepEqual(names("_has:Observation:patient:co", "Patient"), ["_has:Observation:patient:code"]);
});

test("a parameter is found through its chain", () => {
  assert.equal(parameterOf("subject:Patient.birthdate", "Observation", capability).type, "date");
  assert.equal(parameterOf("_has:Observation:patient:code", "Patient", capability).type, "token");
  assert.equal(parameterOf("subject:Patient", "Observation", capability).type, "reference");
  assert.equal(parameterOf("_sort", "Patient", capability).type, "result");
  assert.equal(parameterOf("nope", "Patient", capability), undefined);
});

test("a whole request is suggested part by part", () => {
  const texts = (typed) => suggestRequest(typed, capability).map(({ text }) => text);
  assert.deepEqual(texts("Obs"), ["Observation"]);
  assert.deepEqual(texts("Patient?birth"), ["Patient?birthdate="]);
  assert.deepEqual(texts("Observation?code=a&_incl"), ["Observation?code=a&_include="]);
  assert.deepEqual(texts("Observation?_include="), ["Observation?_include=Observation:subject"]);
  assert.deepEqual(texts("Patient/1"), []);
});

test("the last of several values is suggested", () => {
  const [found] = suggestValues("gender,-birth", "_sort", "Patient", capability);
  assert.equal(found.text, "gender,-birthdate");
});

test("what may refer to a type is what the server states, or every reference", () => {
  assert.deepEqual(capability.referrers("Patient"), [
    ["Observation", "subject"],
    ["Observation", "patient"],
  ]);
  assert.equal(capability.referrers("PlanDefinition").length, 3);
});

const typeOf = (name) => parameterOf(name, "Patient", capability)?.type;
const QUERIES = [
  "name=ada",
  "name:exact=Ada%20B",
  "birthdate=ge1960&birthdate=lt1970-05",
  "birthdate=ge1960,2000",
  "gender:not=male",
  "gender:missing=true",
  "general-practitioner:Practitioner=1",
  "_has:Observation:patient:code=http://loinc.org|8302-2",
  "_sort=-birthdate&_count=5",
  "unknown:odd=%C3%A9%2B%26%3D",
];
for (const query of QUERIES) {
  test(`${query} survives the form`, () => {
    assert.equal(formatCriteria(parseCriteria(query, typeOf)), query);
  });
}

test("modifiers and prefixes are told from names and values", () => {
  assert.deepEqual(parseCriteria("name:contains=a&birthdate=ge1960&name=gerald", typeOf), [
    { name: "name", comparison: ":contains", value: "a" },
    { name: "birthdate", comparison: "ge", value: "1960" },
    { name: "name", comparison: "", value: "gerald" },
  ]);
});

test("criteria without a name or a value are left out", () => {
  assert.equal(
    formatCriteria([
      { name: "", comparison: "", value: "x" },
      { name: "name", comparison: "", value: "" },
    ]),
    "",
  );
});

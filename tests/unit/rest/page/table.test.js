import assert from "node:assert/strict";
import test from "node:test";
import { columns } from "../../../../fhir_server/rest/page/columns.js";
import { versions } from "../../../../fhir_server/rest/page/history.js";
import { parse } from "../../../../fhir_server/rest/page/json.js";
import { title } from "../../../../fhir_server/rest/page/title.js";

const fhir = (value) => parse(JSON.stringify(value));
const elements = (...resources) => columns(resources.map(fhir)).map(({ element }) => element);
const concept = (display) => ({ coding: [{ system: "http://loinc.org", code: "1", display }] });

test("a resource is called by its name, title, code or id", () => {
  assert.equal(
    title(
      fhir({
        id: "1",
        name: [
          { family: "Old", use: "old" },
          { family: "Byron", use: "official" },
        ],
      }),
    ).text,
    "Byron",
  );
  assert.equal(title(fhir({ id: "1", title: "Plan" })).text, "Plan");
  assert.equal(title(fhir({ id: "1", status: "final", code: concept("Height") })).text, "Height");
  assert.equal(title(fhir({ id: "1", clinicalStatus: concept("Active"), vaccineCode: concept("Flu") })).text, "Flu");
  assert.equal(title(fhir({ id: "1", status: "final" })).text, "1");
  assert.equal(title({}).text, "");
});

test("a measurement's columns are its value, subject, time, status and category", () => {
  const measurement = {
    resourceType: "Observation",
    id: "1",
    status: "final",
    category: [concept("Vital signs")],
    code: concept("Height"),
    subject: { reference: "Patient/1" },
    effectiveDateTime: "2020-01-01",
    issued: "2020-01-01T00:00:00Z",
    valueQuantity: { value: 1, unit: "m" },
  };
  assert.deepEqual(elements(measurement), ["valueQuantity", "subject", "effectiveDateTime", "status", "category"]);
});

test("what can't be said in a line gets no column", () => {
  assert.deepEqual(
    elements({ id: "1", text: { div: "<div/>" }, item: [{ a: { b: "c" } }], note: "x".repeat(300) }),
    [],
  );
});

test("an element that few have gives way to one that all have", () => {
  const rare = { id: "1", status: "a", language: "en", priority: "x" };
  const common = { id: "2", status: "a" };
  assert.equal(elements(rare, common, common)[0], "status");
});

test("a history tells creations, updates and deletions", () => {
  const found = versions(
    fhir({
      entry: [
        {
          fullUrl: "http://x/fhir/Patient/1",
          request: { method: "DELETE", url: "Patient/1" },
          response: { etag: 'W/"2"', lastModified: "2020-01-02" },
        },
        {
          resource: { resourceType: "Patient", id: "1", meta: { versionId: "1", lastUpdated: "2020-01-01" } },
          request: { method: "POST", url: "Patient" },
        },
      ],
    }),
  );
  assert.deepEqual(
    found.map(({ path, version, when, method }) => [path, version, when, method]),
    [
      ["Patient/1", "2", "2020-01-02", "DELETE"],
      ["Patient/1", "1", "2020-01-01", "POST"],
    ],
  );
});

test("an update that made the resource is a creation", () => {
  const resource = { resourceType: "Patient", id: "1", meta: { versionId: "1" } };
  const entry = (status) => ({ resource, request: { method: "PUT", url: "Patient/1" }, response: { status } });
  const found = versions(fhir({ entry: [entry("200 OK"), entry("201 Created")] }));
  assert.deepEqual(
    found.map(({ method }) => method),
    ["PUT", "POST"],
  );
});

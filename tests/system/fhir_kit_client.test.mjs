// fhir-kit-client on the empty server at the URL in FHIR_BASE, by node --test.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { before, test } from "node:test";

const { CapabilityTool, Client } = createRequire(import.meta.url)("../data/fhir-kit-client/fhir-kit-client.cjs");
const client = new Client({ baseUrl: process.env.FHIR_BASE });
const SYSTEM = "http://hospital.test/mrn";
const ids = (bundle) => (bundle.entry ?? []).map((entry) => entry.resource.id);
const refused = (status, text) => (error) => {
  assert.equal(error.response.status, status);
  assert.equal(error.response.data.resourceType, "OperationOutcome");
  assert.match(error.response.data.issue[0].diagnostics, text);
  return true;
};

before(async () => {
  const put = (resource) => ({ resource, request: { method: "PUT", url: `${resource.resourceType}/${resource.id}` } });
  const managingOrganization = { reference: "Organization/acme" };
  const pulse = (day) => ({
    resourceType: "Observation",
    id: `pulse-${day}`,
    status: "final",
    code: { coding: [{ system: "http://loinc.org", code: "8867-4" }] },
    subject: { reference: "Patient/ada" },
    effectiveDateTime: `2026-11-0${day}`,
  });
  const entry = [
    put({ resourceType: "Organization", id: "acme", name: "Acme Hospital" }),
    put({ resourceType: "Patient", id: "ada", name: [{ family: "Lovelace" }], managingOrganization }),
    ...[1, 2, 3, 4, 5, 6, 7].map((day) => put(pulse(day))),
  ];
  await client.transaction({ body: { resourceType: "Bundle", type: "transaction", entry } });
});

test("it learns what the server can do", async () => {
  const statement = await client.capabilityStatement();
  const can = new CapabilityTool(statement);
  assert.equal(statement.fhirVersion, "4.0.1");
  assert.ok(can.serverCan("transaction") && can.resourceCan("Patient", "patch"));
  assert.ok(can.resourceSearch("Patient", "birthdate") && can.interactionsFor({ resourceType: "Claim" }).length === 9);
});

test("it creates, reads, updates, patches and deletes, and reads versions", async () => {
  const body = { resourceType: "Patient", name: [{ family: "Kit" }] };
  const made = await client.create({ resourceType: "Patient", body });
  const { response } = Client.httpFor(made);
  assert.equal(response.status, 201);
  assert.ok(response.headers.get("location").endsWith(`/Patient/${made.id}/_history/1`));
  const one = { resourceType: "Patient", id: made.id };
  assert.deepEqual(await client.read(one), made);
  const updated = await client.update({ ...one, body: { ...made, active: true } });
  assert.equal(updated.meta.versionId, "2");
  const jsonPatch = [{ op: "test", path: "/active", value: true }, { op: "replace", path: "/active", value: false }];
  assert.equal((await client.patch({ ...one, jsonPatch })).active, false);
  const stale = { headers: { "If-Match": 'W/"2"' } };
  await assert.rejects(client.patch({ ...one, jsonPatch: [jsonPatch[1]], options: stale }), refused(412, /version/));
  assert.equal((await client.vread({ ...one, version: "2" })).active, true);
  assert.deepEqual((await client.request(`Patient/${made.id}/_history`)).entry.map((e) => e.resource.meta.versionId),
    ["3", "2", "1"]);
  await client.delete(one);
  await assert.rejects(client.read(one), refused(410, /deleted/));
});

test("it writes by condition", async () => {
  const searchParams = { identifier: `${SYSTEM}|kit` };
  const body = { resourceType: "Patient", identifier: [{ system: SYSTEM, value: "kit" }] };
  const made = await client.update({ resourceType: "Patient", searchParams, body });
  const options = { headers: { "If-None-Exist": `identifier=${SYSTEM}|kit` } };
  const found = await client.create({ resourceType: "Patient", body, options });
  assert.equal(Client.httpFor(found).response.status, 200);
  assert.equal(found.id, made.id);
});

test("it searches in every way that it has", async () => {
  const searchParams = { subject: "Patient/ada", date: ["ge2026-11-02", "lt2026-11-04"], _sort: "-date" };
  const within = { resourceType: "Patient", id: "ada" };
  const days = async (search) => (await client.search(search)).entry.map((e) => e.resource.effectiveDateTime.slice(-2));
  for (const options of [{}, { postSearch: true }]) {
    assert.deepEqual(await days({ resourceType: "Observation", searchParams, options }), ["03", "02"]);
    assert.equal((await days({ resourceType: "Observation", compartment: within, options })).length, 7);
    assert.deepEqual(ids(await client.search({ searchParams: { _type: "Organization", _id: "acme" }, options })), ["acme"]);
  }
  const wrong = client.search({ resourceType: "Patient", searchParams: { birthdat: "2000" } });
  await assert.rejects(wrong, refused(400, /birthdate/));
});

test("it pages", async () => {
  const found = [];
  let bundle = await client.search({ resourceType: "Observation", searchParams: { subject: "Patient/ada", _count: 3 } });
  for (; bundle; bundle = await client.nextPage({ bundle })) found.push(ids(bundle));
  assert.deepEqual(found.map((page) => page.length), [3, 3, 1]);
  assert.equal(new Set(found.flat()).size, 7);
});

test("it resolves references of each kind", async () => {
  const bundle = await client.search({ resourceType: "Patient", searchParams: { _id: "ada", _include: "Patient:organization" } });
  const reference = bundle.entry[0].resource.managingOrganization.reference;
  const absolute = `${client.baseUrl}/${reference}`;
  const holder = { resourceType: "Basic", contained: [{ resourceType: "Organization", id: "o", name: "Within" }] };
  assert.equal((await client.resolve({ reference })).name, "Acme Hospital");
  assert.equal((await client.resolve({ reference: absolute })).name, "Acme Hospital");
  assert.equal((await client.resolve({ reference, context: bundle })).name, "Acme Hospital");
  assert.equal((await client.resolve({ reference: "#o", context: holder })).name, "Within");
});

test("it sends batches and transactions", async () => {
  const fullUrl = "urn:uuid:7b1e3a52-31b7-4a31-9c22-2d6f0c3f0001";
  const made = {
    fullUrl,
    resource: { resourceType: "Patient", name: [{ family: "Kitten" }] },
    request: { method: "POST", url: "Patient" },
  };
  const of = {
    resource: { resourceType: "Condition", subject: { reference: fullUrl } },
    request: { method: "POST", url: "Condition" },
  };
  const bundle = (type, ...entry) => ({ resourceType: "Bundle", type, entry });
  const statuses = (answer) => answer.entry.map((entry) => entry.response.status.slice(0, 3));
  assert.deepEqual(statuses(await client.transaction({ body: bundle("transaction", made, of) })), ["201", "201"]);
  const found = await client.search({ resourceType: "Condition", searchParams: { "subject:Patient.family": "kitten" } });
  assert.equal(found.entry.length, 1);
  const get = (url) => ({ request: { method: "GET", url } });
  assert.deepEqual(
    statuses(await client.batch({ body: bundle("batch", get("Patient/ada"), get("Patient/nobody")) })), ["200", "404"]);
  const dangling = { ...of, resource: { resourceType: "Condition", subject: { reference: "urn:uuid:none" } } };
  await assert.rejects(client.transaction({ body: bundle("transaction", made, dangling) }), (error) => {
    assert.ok([400, 422].includes(error.response.status));
    return error.response.data.resourceType === "OperationOutcome";
  });
});

test("it calls operations", async () => {
  const ada = { resourceType: "Patient", id: "ada" };
  const everything = await client.operation({ name: "everything", ...ada, method: "GET", input: { _count: 100 } });
  assert.equal(everything.entry.length, 9);
  const last = await client.operation({
    name: "$lastn", resourceType: "Observation", method: "GET", input: { patient: "ada", max: 1 },
  });
  assert.deepEqual(last.entry.map((entry) => entry.resource.effectiveDateTime), ["2026-11-07"]);
  const resource = { resourceType: "Patient", gender: "lady" };
  const input = { resourceType: "Parameters", parameter: [{ name: "resource", resource }] };
  const outcome = await client.operation({ name: "validate", resourceType: "Patient", input });
  assert.ok(outcome.issue.some((issue) => issue.severity === "error" && issue.expression[0].includes("gender")));
  assert.equal((await client.operation({ name: "meta", ...ada, method: "GET" })).resourceType, "Parameters");
});

import assert from "node:assert/strict";
import test from "node:test";
import { curl } from "../../../../fhir_server/rest/page/curl.js";
import {
  pagingLink,
  parsePlace,
  placeHash,
  referenceHash,
  requestHash,
  withinBase,
} from "../../../../fhir_server/rest/page/location.js";

const BASE = "http://localhost:8080/fhir";

for (const hash of [
  "#/",
  "#/Patient",
  "#/Patient?name=a~b&_count=5",
  "#/Patient/1/_history/2",
  "#/Patient/1~json",
  "#/Patient/1/_history~diff:1:3",
]) {
  test(`${hash} names a place and is its hash`, () => assert.equal(placeHash(parsePlace(hash)), hash));
}

test("the view is apart from the request", () => {
  assert.deepEqual(parsePlace("#/Patient~xml?name=a~b"), { path: "Patient", view: "xml", query: "name=a~b" });
});

test("a # in a query does not cut the URL", () => {
  assert.equal(placeHash({ path: "Patient", query: "name=a#b" }), "#/Patient?name=a%23b");
});

test("a typed request becomes a place", () => {
  assert.equal(requestHash("Patient?name=a"), "#/Patient?name=a");
  assert.equal(requestHash("/Patient/1/"), "#/Patient/1");
});

test("references lead within the page where they can", () => {
  assert.equal(referenceHash("Patient/1", BASE), "#/Patient/1");
  assert.equal(referenceHash("Patient/1/_history/2", BASE), "#/Patient/1/_history/2");
  assert.equal(referenceHash(`${BASE}/Patient/1`, BASE), "#/Patient/1");
  assert.equal(referenceHash("Practitioner?identifier=x|1", BASE), "#/Practitioner?identifier=x|1");
});

for (const reference of [
  "http://elsewhere.org/fhir/Patient/1",
  "urn:uuid:1",
  "javascript:alert(1)",
  "#contained",
  "//evil",
  "",
]) {
  test(`"${reference}" leads nowhere within the page`, () => assert.equal(referenceHash(reference, BASE), null));
}

test("only URLs below the base are within it", () => {
  assert.equal(withinBase(`${BASE}/Patient?x=1`, BASE), "Patient?x=1");
  assert.equal(withinBase(BASE, BASE), "");
  assert.equal(withinBase(`${BASE}s/Patient`, BASE), null);
});

test("links of pages are followed whatever host the server calls itself", () => {
  assert.equal(pagingLink(`${BASE}/Patient?_cursor=a`, BASE), "Patient?_cursor=a");
  assert.equal(pagingLink("https://hospital.example/fhir/Patient?_cursor=a", BASE), "Patient?_cursor=a");
  assert.equal(pagingLink("https://hospital.example/r4/fhir/Patient?a=1", BASE), "Patient?a=1");
  assert.equal(pagingLink(`${BASE}?_cursor=a`, BASE), "?_cursor=a");
});

test("curl lines are quoted for the shell", () => {
  const exchange = {
    method: "GET",
    url: `${BASE}/Patient?name=O'Brien&_count=1`,
    headers: { Accept: "application/fhir+json" },
    body: null,
  };
  assert.equal(curl(exchange), `curl -H 'Accept: application/fhir+json' '${BASE}/Patient?name=O'\\''Brien&_count=1'`);
});

test("a request with a body sends it as it is", () => {
  const exchange = { method: "POST", url: BASE, headers: {}, body: '{"a":1}' };
  assert.equal(curl(exchange), `curl --data-binary '{"a":1}' '${BASE}'`);
});

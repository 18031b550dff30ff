import assert from "node:assert/strict";
import test from "node:test";
import { Digits, equal, parse, stringify } from "../../../../fhir_server/rest/page/json.js";

test("decimals keep their digits", () => {
  const { value } = parse('{"value": 1.00}');
  assert.ok(value instanceof Digits);
  assert.equal(String(value), "1.00");
});

test("digits within strings stay text, quotes and backslashes included", () => {
  const written = { a: 'say "1.0" \\', b: "\\", c: "7" };
  assert.deepEqual(parse(JSON.stringify(written)), written);
});

test("what was parsed is written with the same digits", () => {
  const text = '{\n  "a": [\n    1.50,\n    -2e5\n  ],\n  "b": "3"\n}';
  assert.equal(stringify(parse(text)), text);
});

test("text that is not JSON is a SyntaxError", () => {
  for (const text of ["", "{", '{"a": "', "<html>"]) assert.throws(() => parse(text), SyntaxError);
});

test("a string of many megabytes is read", () => {
  assert.equal(parse(JSON.stringify({ data: "a\n".repeat(3_000_000) })).data.length, 6_000_000);
});

test("equal content is equal whatever the order of its properties, and 1.0 is not 1.00", () => {
  assert.ok(equal(parse('{"a":1,"b":[{"c":2}]}'), parse('{"b":[{"c":2}],"a":1}')));
  assert.ok(!equal(parse("[1.0]"), parse("[1.00]")));
  assert.ok(!equal(parse("[]"), parse("{}")));
  assert.ok(!equal(parse("[null]"), parse("[0]")));
});

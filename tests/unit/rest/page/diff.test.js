import assert from "node:assert/strict";
import test from "node:test";
import { diff, pairs } from "../../../../fhir_server/rest/page/diff.js";
import { parse } from "../../../../fhir_server/rest/page/json.js";
import { edits, wordEdits } from "../../../../fhir_server/rest/page/words.js";

const between = (before, after) =>
  diff(parse(JSON.stringify(before)), parse(JSON.stringify(after))).map(({ path, op }) => `${op} ${path}`);

test("equal versions have no changes", () => {
  assert.deepEqual(between({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }), []);
});

test("a changed element is named by its path", () => {
  assert.deepEqual(between({ name: [{ family: "A", given: ["x"] }] }, { name: [{ family: "B", given: ["x"] }] }), [
    "changed name[0].family",
  ]);
});

test("a decimal whose digits changed is a change", () => {
  assert.deepEqual(diff(parse('{"v":1.0}'), parse('{"v":1.00}')).length, 1);
});

test("an item put in front is one addition", () => {
  assert.deepEqual(between({ given: ["b", "c"] }, { given: ["a", "b", "c"] }), ["added given[0]"]);
});

test("an item taken out is one removal", () => {
  assert.deepEqual(between({ given: ["a", "b", "c"] }, { given: ["a", "c"] }), ["removed given[1]"]);
});

test("items are followed by what identifies them", () => {
  const before = {
    item: [
      { linkId: "1", text: "one" },
      { linkId: "2", text: "two" },
    ],
  };
  const after = {
    item: [
      { linkId: "0", text: "new" },
      { linkId: "1", text: "uno" },
      { linkId: "2", text: "two" },
    ],
  };
  assert.deepEqual(between(before, after), ["added item[0]", "changed item[1].text"]);
});

test("a string that became an object is one change", () => {
  assert.deepEqual(between({ a: "x" }, { a: { b: "x" } }), ["changed a"]);
});

test("a deletion removes everything", () => {
  assert.deepEqual(
    diff({ id: "1", active: true }, null).map(({ op }) => op),
    ["removed", "removed"],
  );
});

test("every item has exactly one place among the pairs that changed", () => {
  const found = pairs(["a", "b", "c"], ["c", "x"]);
  assert.deepEqual(new Set(found.map(([i]) => i).filter((i) => i !== undefined)), new Set([0, 1]));
  assert.deepEqual(found.filter(([, j]) => j !== undefined).length, 1);
});

test("the edits of two sequences make the one of the other", () => {
  const [a, b] = ["kitten sat".split(""), "sitting at".split("")];
  const script = edits(a, b);
  assert.deepEqual(
    script.filter(([op]) => op !== "added").map(([, item]) => item),
    a,
  );
  assert.deepEqual(
    script.filter(([op]) => op !== "removed").map(([, item]) => item),
    b,
  );
});

test("strings are compared word by word", () => {
  assert.deepEqual(wordEdits("The quick fox", "The slow fox"), [
    ["same", "The "],
    ["removed", "quick"],
    ["added", "slow"],
    ["same", " fox"],
  ]);
});

test("strings with little in common are shown one after the other", () => {
  assert.deepEqual(wordEdits("alpha beta gamma", "one two three"), [
    ["removed", "alpha beta gamma"],
    ["added", "one two three"],
  ]);
});

test("sequences too long to compare are still answered", () => {
  const [a, b] = [1, 2].map((first) => Array.from({ length: 5000 }, (_, index) => index * 2 + first));
  assert.equal(edits(a, b).length, 10_000);
});

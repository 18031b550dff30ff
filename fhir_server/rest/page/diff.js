// The structural difference between two versions of a resource.

import { Digits, equal } from "./json.js";
import { edits } from "./words.js";

// What tells two items of an array to be the same thing although their content changed, most telling first.
const IDENTITY = ["id", "linkId", "fullUrl", "url", "sequence", "system"];

/**
 * The changes from one resource to another, in the order of the elements: a list of
 * {path: "name[0].family", op: "added" | "removed" | "changed", before, after}, where before and after are as `parse`
 * made them and the index is that of the later version (of the earlier one for what was removed).
 * before or after may be null: a version that is a deletion.
 */
export function diff(before, after) {
  const changes = [];
  compare(before ?? {}, after ?? {}, "", changes);
  return changes;
}

function compare(before, after, path, changes) {
  if (equal(before, after)) return;
  if (before === undefined) changes.push({ path, op: "added", before, after });
  else if (after === undefined) changes.push({ path, op: "removed", before, after });
  else if (Array.isArray(before) && Array.isArray(after)) compareArrays(before, after, path, changes);
  else if (isObject(before) && isObject(after)) compareObjects(before, after, path, changes);
  else changes.push({ path, op: "changed", before, after });
}

function compareObjects(before, after, path, changes) {
  const names = edits(Object.keys(before), Object.keys(after)).map(([, name]) => name);
  for (const name of new Set(names)) {
    compare(before[name], after[name], path ? `${path}.${name}` : name, changes);
  }
}

function compareArrays(before, after, path, changes) {
  for (const [i, j] of pairs(before, after)) {
    compare(before[i], after[j], `${path}[${j ?? i}]`, changes);
  }
}

/** Which item of one array became which of the other: [i, j] pairs, undefined where an item has no partner. */
export function pairs(before, after) {
  const places = (items) => items.map((_, index) => index);
  const script = edits(places(before), places(after), (i, j) => equal(before[i], after[j]));
  const found = [];
  let removed = [];
  let added = [];
  let nextBefore = 0;
  const flush = () => {
    found.push(...partners(removed, added, before, after));
    removed = [];
    added = [];
  };
  for (const [op, index] of script) {
    if (op === "removed") removed.push(nextBefore++);
    else if (op === "added") added.push(index);
    else {
      flush();
      nextBefore++;
    }
  }
  flush();
  return found;
}

function partners(removed, added, before, after) {
  const left = [...removed];
  const found = added.map((j) => {
    const at = left.findIndex((i) => sameThing(before[i], after[j]));
    return at < 0 ? [undefined, j] : [left.splice(at, 1)[0], j];
  });
  // Items that nothing identifies are taken to be the same ones in the same order.
  for (const pair of found) {
    if (pair[0] === undefined && left.length && isObject(after[pair[1]])) {
      const at = left.findIndex((i) => alike(before[i], after[pair[1]]));
      if (at >= 0) pair[0] = left.splice(at, 1)[0];
    } else if (pair[0] === undefined && left.length) {
      pair[0] = left.shift();
    }
  }
  return [...left.map((i) => [i, undefined]), ...found];
}

function sameThing(a, b) {
  if (!isObject(a) || !isObject(b)) return false;
  const name = IDENTITY.find((each) => each in a || each in b);
  return name !== undefined && equal(a[name], b[name]);
}

function alike(a, b) {
  if (!isObject(a)) return false;
  const name = IDENTITY.slice(0, 4).find((each) => each in a || each in b);
  return name === undefined && Object.keys(a).some((key) => key in b);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Digits);
}

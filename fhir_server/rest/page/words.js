// Differences between two sequences, and between two strings word by word.

const LARGEST_TABLE = 4_000_000;
const LEAST_IN_COMMON = 0.35;

/**
 * The shortest edit from sequence a to b: a list of [op, item] with op "same" | "removed" | "added".
 * Sequences too long to compare are answered as all removed, all added (their common ends apart).
 */
export function edits(a, b, same = (x, y) => x === y) {
  let start = 0;
  while (start < a.length && start < b.length && same(a[start], b[start])) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && same(a[a.length - 1 - end], b[b.length - 1 - end])) end++;
  return [
    ...a.slice(0, start).map((item) => ["same", item]),
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end), same),
    ...b.slice(b.length - end).map((item) => ["same", item]),
  ];
}

function middle(a, b, same) {
  if (!a.length || !b.length || a.length * b.length > LARGEST_TABLE) {
    return [...a.map((item) => ["removed", item]), ...b.map((item) => ["added", item])];
  }
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i * width + j] = same(a[i], b[j])
        ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  const found = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && same(a[i], b[j])) {
      found.push(["same", b[j++]]);
      i++;
    } else if (j >= b.length || (i < a.length && longest[(i + 1) * width + j] >= longest[i * width + j + 1])) {
      found.push(["removed", a[i++]]);
    } else {
      found.push(["added", b[j++]]);
    }
  }
  return found;
}

/** Two strings compared word by word: a list of [op, text], neighbours of one op joined. */
export function wordEdits(before, after) {
  const joined = [];
  let kept = 0;
  for (const [op, word] of edits(words(before), words(after))) {
    if (op === "same") kept += word.length;
    if (joined.length && joined.at(-1)[0] === op) joined.at(-1)[1] += word;
    else joined.push([op, word]);
  }
  // Texts with little in common read better as one and then the other.
  if (kept < LEAST_IN_COMMON * Math.min(before.length, after.length))
    return [
      ["removed", before],
      ["added", after],
    ];
  return joined;
}

function words(text) {
  return text.match(/[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) ?? [];
}

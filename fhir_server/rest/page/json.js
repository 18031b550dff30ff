// FHIR JSON with its decimals as they were written: 1.00 stays 1.00, which JSON.parse alone would lose.

const MARK = "\uE000";
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** A number as the server wrote it. */
export class Digits {
  constructor(text) {
    this.text = text;
  }
  toString() {
    return this.text;
  }
}

/** FHIR JSON text as plain objects, each number a Digits. SyntaxError for text that is not JSON. */
export function parse(text) {
  return JSON.parse(withNumbersMarked(text), (_, value) =>
    typeof value === "string" && value[0] === MARK ? new Digits(value.slice(1)) : value,
  );
}

function withNumbersMarked(text) {
  const parts = [];
  for (let at = 0; at < text.length;) {
    const open = text.indexOf('"', at);
    const outside = open < 0 ? text.slice(at) : text.slice(at, open);
    const close = open < 0 ? text.length : endOfString(text, open);
    parts.push(outside.replace(NUMBER, `"${MARK}$&"`), open < 0 ? "" : text.slice(open, close));
    at = close;
  }
  return parts.join("");
}

function endOfString(text, open) {
  for (let quote = text.indexOf('"', open + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text[quote - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

/** What `parse` made, as indented JSON text with the same digits. */
export function stringify(value) {
  const marked = (_, each) => (each instanceof Digits ? MARK + each.text : each);
  return JSON.stringify(value, marked, 2).replaceAll(new RegExp(`"${MARK}([^"]*)"`, "g"), "$1");
}

/** Whether two values of `parse` are the same content; the order of properties does not matter. */
export function equal(a, b) {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false;
  if (a instanceof Digits || b instanceof Digits) return a.text === b.text;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
}

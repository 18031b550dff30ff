// The answer as the server wrote it, in JSON or XML.

import { copyButton, h } from "./dom.js";
import { bytes } from "./labels.js";

const MOST_COLOURED = 400_000;

// What to tell apart in each format: [class, pattern], the first that matches.
const TOKENS = {
  json: /(?<name>"(?:[^"\\]|\\.)*"(?=\s*:))|(?<text>"(?:[^"\\]|\\.)*")|(?<number>-?\b\d[\d.eE+-]*\b)|(?<word>\b(?:true|false|null)\b)/g,
  xml: /(?<word><!--[\s\S]*?-->)|(?<name><[/?]?[\w:.-]+|[/?]?>)|(?<text>"[^"<>]*")/g,
};

const CONTENT_TYPES = { json: "application/fhir+json", xml: "application/fhir+xml" };

/** Asks for a request's answer in a format ("json" | "xml"), indented -> its text. */
export async function readRaw(session, relative, format) {
  const separator = relative.includes("?") ? "&" : "?";
  const { text } = await session.text(
    "GET",
    `${relative}${separator}_format=${format}&_pretty=true`,
    CONTENT_TYPES[format],
  );
  return text;
}

/** The text with its tokens coloured, and a button to copy it. */
export function rawView(text, format) {
  const name = format.toUpperCase();
  return h(
    "section",
    { class: "card raw", "aria-label": name },
    h(
      "div",
      { class: "raw-actions" },
      h("span", { class: "qualifier" }, `${name}, ${bytes(new Blob([text]).size)}`),
      copyButton(`Copy ${name}`, name, () => text),
    ),
    h("pre", { tabindex: "0" }, h("code", {}, text.length > MOST_COLOURED ? text : coloured(text, TOKENS[format]))),
  );
}

function coloured(text, tokens) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(tokens)) {
    const [kind] = Object.entries(match.groups).find(([, found]) => found !== undefined);
    parts.push(text.slice(at, match.index), h("span", { class: `token-${kind}` }, match[0]));
    at = match.index + match[0].length;
  }
  return [...parts, text.slice(at)];
}

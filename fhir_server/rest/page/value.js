// One value of a resource as elements of the page: links, codes, dates, attachments.

import { date } from "./dates.js";
import { fold, h, outsideLink, written } from "./dom.js";
import { codeOf, coding, text } from "./format.js";
import { bytes, systemLabel } from "./labels.js";
import { referenceHash } from "./location.js";
import { narrativeNodes } from "./narrative-view.js";
import { shapeOf } from "./shapes.js";

const LONG_TEXT = 1200;
const LARGEST_PICTURE = 2_000_000;

const NODES = {
  Reference: reference,
  CodeableConcept: (v) => {
    const codings = v.coding ?? [];
    const shown = text(v);
    return [written(shown), codings.map((each) => codeChip(each, shown))];
  },
  Coding: (v) => [coding(v), codeChip(v, coding(v))],
  Identifier: (v) => [h("span", { class: "mono" }, v.value ?? ""), qualifier(kindOf(v), v.system)],
  ContactPoint: (v) => [contactLink(v), qualifier([v.system, v.use].filter(Boolean).join(", "))],
  HumanName: (v) => [written(text(v)), v.use && qualifier(v.use), v.period && qualifier(text(v.period))],
  Address: (v) => [written(text(v)), v.use && qualifier(v.use), v.period && qualifier(text(v.period))],
  Quantity: (v) => h("span", { class: "figure", title: codeOf(v) || null }, text(v)),
  Money: (v) => h("span", { class: "figure" }, text(v)),
  Attachment: attachment,
  Annotation: (v, base) => [
    longText(v.text),
    v.authorReference ? [" — ", reference(v.authorReference, base)] : v.authorString && qualifier(v.authorString),
    v.time && qualifier(date(v.time)),
  ],
  Narrative: (v, base) => narrativeNodes(v.div, base),
  date: (v) => h("time", { datetime: v, title: v }, date(v)),
  string: (v) => (/^https?:\/\/\S+$/i.test(v) ? outsideLink(v) : longText(v)),
  number: (v) => h("span", { class: "figure" }, v.text),
};

/** Nodes for one value that shapeOf knows; null for a backbone element or a resource. base: the FHIR base. */
export function valueNodes(value, base) {
  const shape = shapeOf(value);
  if (shape === "backbone" || shape === "resource") return null;
  return [NODES[shape] ? NODES[shape](value, base) : text(value)];
}

function reference(value, base) {
  const shown = text(value);
  const target = value.reference ?? "";
  if (target[0] === "#")
    return h("button", { type: "button", class: "contained-link", onclick: toContained(target.slice(1)) }, shown);
  const hash = target && referenceHash(target, base);
  const link = hash ? h("a", { href: hash }, shown) : target ? outsideLink(target, shown) : shown;
  return [link, value.display && target ? h("span", { class: "mono qualifier" }, target) : ""];
}

function toContained(id) {
  return (event) => {
    const article = event.currentTarget.closest("article") ?? document;
    article
      .querySelector(`[data-contained="${CSS.escape(id)}"]`)
      ?.scrollIntoView({ block: "start", behavior: "smooth" });
  };
}

// Beside the words: the code, or its system alone where the code is the words.
function codeChip(value, shown) {
  const chip = codeOf(value.code === shown ? { system: value.system } : value);
  return chip
    ? h("span", { class: "chip", title: [value.system, value.display].filter(Boolean).join("\n") || null }, chip)
    : "";
}

function kindOf({ type, system }) {
  return type?.text || type?.coding?.[0]?.display || type?.coding?.[0]?.code || (system ? systemLabel(system) : "");
}

function qualifier(shown, hover = null) {
  return shown ? h("span", { class: "qualifier", title: hover }, shown) : "";
}

function contactLink({ system, value = "" }) {
  if (system === "email") return h("a", { href: `mailto:${value}` }, value);
  if (system === "url") return outsideLink(value);
  return value;
}

function longText(shown) {
  if (shown.length <= LONG_TEXT) return written(shown, { class: "text" });
  return [
    written(`${shown.slice(0, LONG_TEXT / 2)}… `, { class: "text" }),
    fold(`All ${bytes(shown.length)}`, () => h("pre", { class: "text" }, shown)),
  ];
}

function attachment(value, base) {
  const shown = text({ ...value, data: undefined });
  const hash = value.url && referenceHash(value.url, base);
  const link = hash ? h("a", { href: hash }, shown) : value.url ? outsideLink(value.url, shown) : shown;
  return [link, qualifier(value.title ? value.contentType : ""), value.data ? attachmentData(value) : ""];
}

function attachmentData({ data, contentType = "application/octet-stream", title = "attachment" }) {
  const content = decoded(data);
  if (!content) return qualifier("data that is not base64");
  const picture = /^image\/(?:png|jpeg|gif|webp)$/.test(contentType) && content.length <= LARGEST_PICTURE;
  const readable = /^text\/|[/+](json|xml)\b/.test(contentType);
  return [
    picture &&
      h("img", { src: `data:${contentType};base64,${data.replace(/\s+/g, "")}`, alt: title, class: "picture" }),
    h(
      "button",
      { type: "button", class: "copy", onclick: () => save(content, title) },
      `Save ${bytes(content.length)}`,
    ),
    readable ? fold("Show the text", () => h("pre", { class: "text" }, new TextDecoder().decode(content))) : "",
  ];
}

function decoded(data) {
  try {
    return Uint8Array.from(atob(data.replace(/\s+/g, "")), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

// Always as bytes to keep, never opened: what was stored as HTML must not run here.
function save(content, name) {
  const url = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

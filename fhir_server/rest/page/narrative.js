// The narrative of a resource, which is untrusted markup: rebuilt from a list of what is allowed, nothing else survives.
// https://hl7.org/fhir/R4/narrative.html#security

// What txt-1 allows, by element; the rest is unwrapped to its text.
const ALLOWED = new Set(
  (
    "a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img " +
    "li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var"
  ).split(" "),
);

// What goes with all that is in it: its content is not text for people.
const DROPPED = new Set(
  (
    "script style iframe frame frameset object embed applet svg math template noscript head title base link meta " +
    "form input button select textarea option audio video source track canvas portal slot"
  ).split(" "),
);

const EVERYWHERE = new Set(["title", "lang", "dir"]);
const OWN = {
  td: ["colspan", "rowspan"],
  th: ["colspan", "rowspan", "scope"],
  ol: ["start"],
  col: ["span"],
  img: ["alt", "width", "height"],
};
const IMAGE_DATA = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+$/i;
const DEEPEST = 60;

/**
 * The allowed part of a parsed narrative. nodes: DOM nodes, or anything with nodeType, localName, attributes, childNodes,
 * nodeValue; build: {element(tag, attributes, children), text(string)}; linkTo(href): the attributes of a link that is
 * allowed, or null. No style, class, id, event handler or remote load is kept. Gives a list of what build makes.
 */
export function sanitise(nodes, build, linkTo, depth = 0) {
  return [...nodes].flatMap((node) => {
    if (node.nodeType === 3 || node.nodeType === 4) return [build.text(node.nodeValue)];
    if (node.nodeType !== 1) return [];
    const tag = node.localName.toLowerCase();
    if (DROPPED.has(tag) || depth > DEEPEST) return [];
    const children = sanitise(node.childNodes, build, linkTo, depth + 1);
    if (!ALLOWED.has(tag)) return children;
    const attributes = allowedAttributes(tag, [...node.attributes], linkTo);
    if (tag === "img" && !attributes.src)
      return [build.text(`[image not shown${attributes.alt ? `: ${attributes.alt}` : ""}]`)];
    return [build.element(tag, attributes, children)];
  });
}

function allowedAttributes(tag, attributes, linkTo) {
  const kept = {};
  for (const { name, value } of attributes) {
    if (EVERYWHERE.has(name) || OWN[tag]?.includes(name)) kept[name] = value;
    else if (tag === "img" && name === "src" && IMAGE_DATA.test(value.trim())) kept.src = value.trim();
    else if (tag === "a" && name === "href") Object.assign(kept, linkTo(value.trim()));
  }
  return kept;
}

/** The parsed content of an xhtml div, in a document of its own where nothing runs or loads. */
export function parseNarrative(xhtml) {
  const parser = new DOMParser();
  if (!/<!(?:DOCTYPE|ENTITY)/i.test(xhtml)) {
    const document = parser.parseFromString(xhtml, "application/xhtml+xml");
    if (!document.querySelector("parsererror")) return [document.documentElement];
  }
  return parser.parseFromString(xhtml, "text/html").body.childNodes;
}

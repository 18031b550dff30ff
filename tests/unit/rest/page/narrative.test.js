import assert from "node:assert/strict";
import test from "node:test";
import { sanitise } from "../../../../fhir_server/rest/page/narrative.js";

// The shape of a parsed document, so that the rules are tested without a browser.
const text = (nodeValue) => ({ nodeType: 3, nodeValue });
const element = (localName, attributes, ...children) => ({
  nodeType: 1,
  localName,
  attributes: Object.entries(attributes).map(([name, value]) => ({ name, value })),
  childNodes: children.map((child) => (typeof child === "string" ? text(child) : child)),
});
const build = {
  text: (string) => string,
  element: (tag, attributes, children) => {
    const written = Object.entries(attributes).map(([name, value]) => ` ${name}="${value}"`);
    return `<${tag}${written.join("")}>${children.join("")}</${tag}>`;
  },
};
const linkTo = (href) => (href.startsWith("https:") ? { href } : null);
const clean = (...nodes) => sanitise(nodes, build, linkTo).join("");

test("formatting is kept", () => {
  const table = element("table", {}, element("tr", {}, element("td", { colspan: "2" }, "a ", element("b", {}, "b"))));
  assert.equal(clean(element("div", {}, table)), '<div><table><tr><td colspan="2">a <b>b</b></td></tr></table></div>');
});

for (const tag of [
  "script",
  "style",
  "iframe",
  "object",
  "svg",
  "math",
  "template",
  "form",
  "link",
  "noscript",
  "SCRIPT",
]) {
  test(`${tag} is dropped with what is in it`, () => {
    assert.equal(clean(element("p", {}, "a", element(tag, {}, "alert(1)"), "b")), "<p>ab</p>");
  });
}

for (const name of ["onclick", "onerror", "style", "class", "id", "name", "srcset", "background", "xlink:href", "is"]) {
  test(`the attribute ${name} is dropped`, () => {
    assert.equal(clean(element("p", { [name]: "x" }, "a")), "<p>a</p>");
  });
}

for (const href of ["javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "vbscript:x", "JaVaScRiPt:x"]) {
  test(`a link to ${href} is only its text`, () => {
    assert.equal(clean(element("a", { href }, "go")), "<a>go</a>");
  });
}

test("an allowed link keeps its href and nothing else", () => {
  assert.equal(clean(element("a", { href: "https://x.org", target: "_top" }, "go")), '<a href="https://x.org">go</a>');
});

for (const src of [
  "http://evil.example/x.png",
  "//evil.example/x.png",
  "x.png",
  "data:image/svg+xml;base64,AA",
  "data:text/html;base64,AA",
]) {
  test(`an image from ${src} is not loaded`, () => {
    assert.equal(clean(element("img", { src, alt: "scan" })), "[image not shown: scan]");
  });
}

test("an image within the narrative is shown", () => {
  const src = "data:image/png;base64,iVBORw0KGgo=";
  assert.equal(clean(element("img", { src, onerror: "x" })), `<img src="${src}"></img>`);
});

test("an unknown element leaves its text", () => {
  assert.equal(clean(element("blink", {}, "a", element("x-y", {}, "b"))), "ab");
});

test("comments and processing instructions are dropped", () => {
  assert.equal(clean({ nodeType: 8, nodeValue: "x" }, { nodeType: 7, nodeValue: "y" }), "");
});

test("markup without end is cut", () => {
  let node = element("b", {}, "deep");
  for (let depth = 0; depth < 5000; depth++) node = element("b", {}, node);
  assert.ok(!clean(node).includes("deep"));
});

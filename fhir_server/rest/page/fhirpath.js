// Trying out FHIRPath on a stored resource, by the server's $fhirpath.

import { Failure } from "./client.js";
import { h } from "./dom.js";
import { stringify } from "./json.js";
import { plural } from "./labels.js";
import { outcomeView } from "./outcome.js";
import { tree } from "./tree.js";
import { valueNodes } from "./value.js";

/** The panel. text: the resource as the server wrote it; session(): a fresh session of requests; base: the FHIR base. */
export function fhirpathView(text, session, base) {
  const resource = JSON.parse(text);
  const results = h("div", { class: "fhirpath-results", role: "status" });
  const input = h("input", {
    type: "text",
    class: "mono",
    "aria-label": "FHIRPath expression",
    value: `${resource.resourceType}.meta.lastUpdated`,
    spellcheck: "false",
    autocapitalize: "off",
  });
  const evaluate = async (event) => {
    event?.preventDefault();
    try {
      const parameter = [
        { name: "expression", valueString: input.value },
        { name: "resource", resource },
      ];
      results.replaceChildren(
        resultView(await session().post("$fhirpath", { resourceType: "Parameters", parameter }), base),
      );
    } catch (problem) {
      if (!(problem instanceof Failure)) throw problem;
      results.replaceChildren(outcomeView(problem.outcome));
    }
  };
  return h(
    "section",
    { class: "card fhirpath" },
    h("h2", {}, "FHIRPath"),
    h(
      "form",
      { class: "fhirpath-form", onsubmit: evaluate },
      input,
      h("button", { type: "submit", class: "primary" }, "Evaluate"),
    ),
    results,
  );
}

function resultView(answer, base) {
  const named = (answer.parameter ?? []).filter((parameter) => parameter.name === "result");
  return h(
    "div",
    {},
    h("p", { class: "total" }, plural(named.length, "result")),
    h(
      "ol",
      {},
      named.map((parameter) => h("li", {}, itemView(parameter.part ?? [parameter], base))),
    ),
  );
}

function itemView(parts, base) {
  const [item] = parts.filter((part) => part.name !== "path");
  const path = parts.find((part) => part.name === "path")?.valueString;
  return [partView(item, base), path ? h("code", {}, path) : ""].flat();
}

function partView(part, base) {
  const [, value] = Object.entries(part).find(([name]) => name.startsWith("value")) ?? [];
  if (part.resource) return tree(part.resource, base);
  if (value === undefined) return h("pre", {}, stringify(part));
  return [valueNodes(value, base) ?? h("pre", {}, stringify(value)), h("span", { class: "chip" }, part.name)];
}

// An OperationOutcome in plain words.

import { h } from "./dom.js";
import { text } from "./format.js";

/** Its issues as a list. heading: what stands above them, "" for nothing. */
export function outcomeView(outcome, heading = "") {
  return h(
    "section",
    { class: "card outcome", role: "alert" },
    heading && h("h2", {}, heading),
    h("ul", {}, (outcome.issue ?? []).map(issueView)),
  );
}

function issueView({ severity = "error", code = "", details, diagnostics, expression = [], location = [] }) {
  const places = [...expression, ...location];
  const said = [text(details), diagnostics].filter(Boolean);
  return h(
    "li",
    { class: `issue ${["fatal", "error", "warning", "information"].includes(severity) ? severity : "error"}` },
    h("p", {}, h("strong", {}, severity), " ", h("span", { class: "chip" }, code)),
    said.length ? said.map((each) => h("p", { class: "text" }, each)) : h("p", {}, "Nothing more was said."),
    places.length
      ? h(
          "p",
          { class: "qualifier" },
          "at ",
          places.map((each) => h("code", {}, each, " ")),
        )
      : "",
  );
}

/** What to say above a failure with this HTTP status. */
export function failureHeading(status) {
  if (status === 0) return "The request did not succeed";
  const words = { 401: "Sign in first", 403: "Not allowed", 404: "Not found", 410: "Deleted" };
  return `${words[status] ?? (status < 500 ? "The request was refused" : "The server could not answer")} (${status})`;
}

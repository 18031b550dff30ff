// The message log: filters, a table of messages, newest first.

import { h } from "../../page/dom.js";
import { get } from "./calls.js";
import { chip, when } from "./words.js";

const STATES = ["received", "translating", "done", "waiting", "failed", "ignored"];

/** The log as the query of the place filters it. */
export async function logView(query) {
  const [found, status] = await Promise.all([get(`messages?${asked(query)}`), get("status")]);
  return [
    h("h1", { tabindex: "-1" }, "HL7 v2 messages"),
    counts(status.messages),
    filters(query, status.messages),
    found.messages.length ? table(found.messages) : h("p", { class: "card empty" }, nothing(status.messages)),
    found.next
      ? h("p", { class: "actions" }, h("a", { href: `#/?${changed(query, "before", found.next)}` }, "Older messages"))
      : null,
  ];
}

function nothing(tallies) {
  return tallies.some(({ count }) => count) ? "No message is like this." : "No message has come yet.";
}

function counts(tallies) {
  const totals = Object.fromEntries(STATES.map((state) => [state, 0]));
  for (const { state, count } of tallies) totals[state] += count;
  return h(
    "ul",
    { class: "states" },
    STATES.map((state) =>
      h("li", {}, h("a", { href: `#/?state=${state}` }, chip(state), h("b", {}, totals[state].toLocaleString()))),
    ),
  );
}

function filters(query, tallies) {
  const senders = [...new Set(tallies.map(({ sender }) => sender))].sort();
  const input = (name, label, attributes = {}) =>
    h("label", {}, label, h("input", { name, value: query.get(name) ?? "", ...attributes }));
  const choice = (name, label, values) =>
    h(
      "label",
      {},
      label,
      h(
        "select",
        { name },
        h("option", { value: "" }, "all"),
        values.map((value) => h("option", { value, selected: query.get(name) === value }, value || "(none)")),
      ),
    );
  return h(
    "form",
    {
      class: "card filters",
      onsubmit: (event) => {
        event.preventDefault();
        const given = [...new FormData(event.target)].filter(([, value]) => value !== "");
        location.hash = `#/?${new URLSearchParams(given)}`;
      },
    },
    choice("state", "State", STATES),
    choice("sender", "Sender", senders),
    input("kind", "Message", { placeholder: "ORU^R01" }),
    input("patient", "Patient number"),
    input("text", "Control id or reason"),
    input("since", "From", { type: "datetime-local" }),
    input("until", "To", { type: "datetime-local" }),
    h("button", { type: "submit", class: "primary" }, "Search"),
    h("a", { href: "#/" }, "Clear"),
  );
}

function table(messages) {
  const cell = (label, ...content) => h("td", { "data-label": label }, ...content);
  return h(
    "section",
    { class: "card" },
    h(
      "div",
      { class: "table-frame" },
      h(
        "table",
        { class: "log" },
        h("caption", { class: "offscreen" }, "Messages"),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Message", "State", "Kind", "Sender", "Patient", "Received", "Reason"].map((word) =>
              h("th", { scope: "col" }, word),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          messages.map((each) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, h("a", { href: `#/message/${each.id}` }, each.control || `no id (${each.id})`)),
              cell("State", chip(each.state), each.alarm ? h("span", { class: "alarm" }, "MSH-10 used twice") : null),
              cell("Kind", each.kind || "not readable"),
              cell("Sender", each.sender),
              cell("Patient", each.patients.join(", ")),
              cell("Received", when(each.received)),
              cell("Reason", h("span", { class: "reason" }, each.reason)),
            ),
          ),
        ),
      ),
    ),
  );
}

/** The query as the server takes it: times that a person gave are of the person's own zone. */
function asked(query) {
  const copy = new URLSearchParams(query);
  for (const name of ["since", "until"]) {
    const time = new Date(copy.get(name) ?? "");
    if (!Number.isNaN(time.getTime())) copy.set(name, time.toISOString());
  }
  return copy;
}

function changed(query, name, value) {
  const copy = new URLSearchParams(query);
  copy.set(name, value);
  return copy;
}

// Questions to the lake by SQL.

import { h } from "../../page/dom.js";
import { calls } from "./calls.js";
import { table } from "./dashboard.js";

export function sqlView() {
  const field = h("textarea", { rows: "5", class: "mono", "aria-label": "One SELECT over the views", spellcheck: "false" });
  field.value = "SELECT gender, count(*) FROM patients GROUP BY gender";
  const answer = h("div", { role: "status" });
  const form = h(
    "form",
    {
      class: "card ask",
      onsubmit: async (event) => {
        event.preventDefault();
        answer.replaceChildren(h("p", {}, "Asking …"));
        try {
          answer.replaceChildren(...table(await calls.post("sql", { query: field.value })));
        } catch (problem) {
          answer.replaceChildren(h("p", { class: "error" }, problem.message));
        }
      },
    },
    field,
    h("button", { type: "submit" }, "Ask"),
  );
  return [h("h1", { tabindex: "-1" }, "Ask by SQL"), h("p", {}, "Every view is a table; SHOW TABLES lists them. Only one SELECT is taken."), form, answer];
}

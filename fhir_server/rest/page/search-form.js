// The form of a search: a type, and criteria with suggestions from the CapabilityStatement.

import { combobox } from "./combobox.js";
import { formatCriteria, parseCriteria } from "./criteria.js";
import { h } from "./dom.js";
import { placeHash } from "./location.js";
import { PARAMETER_TYPES } from "./parameter-types.js";
import { parameterOf, suggestParameters, suggestTypes, suggestValues } from "./suggest.js";

/** The form for a type and a query string. capability: Capability; go(hash): goes to a place. */
export function searchForm({ type, query, capability, go }) {
  const documentation = h("p", { class: "documentation", role: "status" }, "\u00a0");
  const state = { type, describe: (words) => (documentation.textContent = documentation.title = words) };
  const typeOf = (name) => parameterOf(name, state.type, capability)?.type;
  const rows = [];
  const list = h("div", { class: "criteria" });
  const add = (criterion, focus = false) => {
    const row = criterionRow({ criterion, state, capability, onRemove: () => remove(row) });
    rows.push(row);
    list.append(row.element);
    if (focus) row.focus();
  };
  const remove = (row) => {
    rows.splice(rows.indexOf(row), 1);
    row.element.remove();
    if (!rows.length) add(emptyCriterion(), true);
  };
  const typeField = combobox({
    label: "Find resource type",
    suggest: (text) => suggestTypes(capability.resources.has(text) ? "" : text, capability),
    onInput: (text) => {
      state.type = text.trim();
      for (const row of rows) row.refresh();
    },
    placeholder: "Patient",
    value: type,
    required: true,
    class: "type-field",
  });
  const submit = (event) => {
    event.preventDefault();
    if (!state.type) return typeField.input.focus();
    return go(placeHash({ path: state.type, query: formatCriteria(rows.map((row) => row.read())) }));
  };
  // What the server adds to the links of its pages is no criterion.
  const criteria = parseCriteria(query, typeOf).filter(({ name }) => name[0] !== "_" || typeOf(name));
  for (const criterion of criteria.length ? criteria : [emptyCriterion()]) add(criterion);
  return h(
    "form",
    { class: "search-form card", role: "search", onsubmit: submit },
    h("label", { class: "type-label" }, h("span", {}, "Find"), typeField.element),
    list,
    h(
      "div",
      { class: "actions" },
      h("button", { type: "submit", class: "primary" }, "Search"),
      h("button", { type: "button", onclick: () => add(emptyCriterion(), true) }, "Add a criterion"),
      documentation,
    ),
  );
}

const emptyCriterion = () => ({ name: "", comparison: "", value: "" });

function criterionRow({ criterion, state, capability, onRemove }) {
  const comparison = h("select", { "aria-label": "Comparison" });
  const value = combobox({
    label: "Value",
    suggest: (text) => suggestValues(text, name.input.value + comparison.value, state.type, capability),
    value: criterion.value,
    class: "value-field",
  });
  const refresh = (chosen = comparison.value) => {
    const parameter = parameterOf(name.input.value, state.type, capability);
    const { comparisons, hint } = PARAMETER_TYPES[parameter?.type] ?? { comparisons: [["", "is"]], hint: "value" };
    comparison.replaceChildren(
      ...comparisons.map(([code, words]) => h("option", { value: code, selected: code === chosen }, words)),
    );
    value.input.placeholder = parameter?.hint ?? hint;
    state.describe(parameter ? described(parameter) : unknown(name.input.value));
  };
  const name = combobox({
    label: "Search parameter",
    suggest: (text) => suggestParameters(text, state.type, capability),
    onInput: () => refresh(),
    onPick: () => value.input.focus(),
    placeholder: "parameter",
    value: criterion.name,
    class: "name-field",
  });
  refresh(criterion.comparison);
  const element = h(
    "div",
    { class: "criterion", role: "group", "aria-label": "Criterion", onfocusin: () => refresh() },
    name.element,
    comparison,
    value.element,
    h("button", { type: "button", class: "remove", "aria-label": "Remove this criterion", onclick: onRemove }, "×"),
  );
  return {
    element,
    refresh,
    focus: () => name.input.focus(),
    read: () => ({ name: name.input.value.trim(), comparison: comparison.value, value: value.input.value.trim() }),
  };
}

function described({ type, documentation }) {
  return [type === "result" ? "" : type, documentation].filter(Boolean).join(": ");
}

function unknown(name) {
  return name ? "The server does not list this parameter for the type." : "\u00a0";
}

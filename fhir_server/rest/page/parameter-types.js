// What may be said with each type of search parameter, in words.
// https://hl7.org/fhir/R4/search.html#modifiers and #prefix

const MISSING = [":missing", "is missing (true or false)"];
const PREFIXED = [
  ["", "is"],
  ["ne", "is not"],
  ["gt", "is after or above"],
  ["ge", "is at or after"],
  ["lt", "is before or below"],
  ["le", "is at or before"],
  ["sa", "starts after"],
  ["eb", "ends before"],
  ["ap", "is about"],
  MISSING,
];

/** By type: what a comparison may be, as [modifier with its colon or prefix, words], and a hint for the value. */
export const PARAMETER_TYPES = {
  string: {
    comparisons: [["", "starts with"], [":contains", "contains"], [":exact", "is exactly"], MISSING],
    hint: "text",
  },
  token: {
    comparisons: [
      ["", "is"],
      [":not", "is not"],
      [":text", "has the text"],
      [":in", "is in the value set"],
      [":not-in", "is not in the value set"],
      [":below", "is or is below"],
      [":above", "is or is above"],
      [":of-type", "is of type"],
      MISSING,
    ],
    hint: "code or system|code",
  },
  reference: {
    comparisons: [
      ["", "is"],
      [":identifier", "has the identifier"],
      [":below", "is or is below"],
      [":above", "is or is above"],
      MISSING,
    ],
    hint: "Type/id, id or URL",
  },
  date: { comparisons: PREFIXED, hint: "2024, 2024-05 or 2024-05-17" },
  number: { comparisons: PREFIXED, hint: "number" },
  quantity: { comparisons: PREFIXED, hint: "5.4 or 5.4|system|code" },
  uri: { comparisons: [["", "is"], [":below", "starts with"], [":above", "is the start of"], MISSING], hint: "URI" },
  composite: { comparisons: [["", "is"]], hint: "value$value" },
  special: { comparisons: [["", "is"]], hint: "value" },
  result: { comparisons: [["", "is"]], hint: "value" },
};

// Parameters of the answer rather than of what is looked for (https://hl7.org/fhir/R4/search.html#return).
export const RESULT_PARAMETERS = [
  { name: "_sort", documentation: "Order of the results; - before a name turns it round", hint: "name or -name" },
  { name: "_count", documentation: "Results on a page", hint: "number" },
  { name: "_include", documentation: "Also what the results refer to", hint: "Type:parameter" },
  { name: "_revinclude", documentation: "Also what refers to the results", hint: "Type:parameter" },
  { name: "_summary", documentation: "A shorter form of each result", hint: "true, text, data, count or false" },
  { name: "_elements", documentation: "Only these elements of each result", hint: "name,name" },
  { name: "_total", documentation: "Whether to count all results", hint: "none, estimate or accurate" },
  { name: "_has", documentation: "Referred to by something: _has:Observation:patient:code", hint: "value" },
].map((parameter) => ({ type: "result", ...parameter }));

const BY_NAME = new Map(RESULT_PARAMETERS.map((parameter) => [parameter.name, parameter]));

/** The result parameter of this name (modifiers apart), or undefined. */
export function resultParameter(name) {
  return BY_NAME.get(name.split(":")[0]);
}

// A search as criteria that a form can show, and back to a query without loss.

import { PARAMETER_TYPES } from "./parameter-types.js";

const PREFIX = /^(eq|ne|gt|ge|lt|le|sa|eb|ap)(?=[\d.+-])/;

/**
 * The criteria of a query string: a list of {name, comparison, value}. name: with a chain where there is one
 * ("subject:Patient.name"); comparison: ":exact", "ge" or "". typeOf(name): the type of a search parameter, or undefined.
 */
export function parseCriteria(query, typeOf) {
  return [...new URLSearchParams(query)].map(([written, text]) => {
    const { name, modifier } = splitModifier(written, typeOf);
    const comparisons = PARAMETER_TYPES[typeOf(name)]?.comparisons ?? [];
    const prefix = modifier ? null : PREFIX.exec(text)?.[0];
    if (prefix && !text.includes(",") && comparisons.some(([each]) => each === prefix)) {
      return { name, comparison: prefix, value: text.slice(prefix.length) };
    }
    return { name, comparison: modifier, value: text };
  });
}

/** The query string of criteria; those without a name or a value are left out. */
export function formatCriteria(criteria) {
  return criteria
    .filter(({ name, value }) => name && value)
    .map(({ name, comparison, value }) =>
      comparison && comparison[0] !== ":"
        ? `${escaped(name)}=${comparison}${escaped(value)}`
        : `${escaped(name + (comparison ?? ""))}=${escaped(value)}`,
    )
    .join("&");
}

// Only a modifier that the form offers is taken off; ":Patient" of a reference stays with the name.
function splitModifier(written, typeOf) {
  const at = written.lastIndexOf(":");
  const name = at < 0 ? written : written.slice(0, at);
  const modifier = at < 0 ? "" : written.slice(at);
  const known = PARAMETER_TYPES[typeOf(name)]?.comparisons.some(([each]) => each === modifier);
  return at > 0 && known ? { name, modifier } : { name: written, modifier: "" };
}

/** Text for a query, with the characters that FHIR's searches use left readable. */
function escaped(text) {
  return encodeURIComponent(text).replace(/%(?:3A|2C|2F|24|7C|40)/gi, decodeURIComponent);
}

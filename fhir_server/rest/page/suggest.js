// What could be typed next: types and search parameters from the CapabilityStatement, through chains and _has.

import { RESULT_PARAMETERS, resultParameter } from "./parameter-types.js";

/** A suggestion: text (the whole that it completes to), label, kind ("token"), hint (documentation). */
const suggestion = (text, label, kind = "", hint = "") => ({ text, label, kind, hint });

/** Resource types for what was typed so far: those that start with it, then those that contain it. */
export function suggestTypes(typed, capability) {
  return ranked(typed, capability.types, (type) => type).map((type) => suggestion(type, type));
}

/** Search parameters of a type for a name typed so far, which may be a chain ("subject:Patient.na") or a _has. */
export function suggestParameters(typed, type, capability) {
  const { before, rest, types, expects } = lastStep(typed, [type], capability);
  if (expects === "type") {
    return ranked(rest, types, (each) => each).map((each) => suggestion(before + each, each, "type"));
  }
  const found = new Map(before ? [] : RESULT_PARAMETERS.map((parameter) => [parameter.name, parameter]));
  for (const each of types) {
    for (const [name, parameter] of capability.searchParameters(each)) found.set(name, { ...parameter, of: each });
  }
  const own = [...found.values()].sort((a, b) => (a.name[0] === "_") - (b.name[0] === "_"));
  return ranked(rest, own, (parameter) => parameter.name).map((parameter) =>
    suggestion(before + parameter.name, parameter.name, parameter.type, plain(parameter.documentation, parameter.of)),
  );
}

/** Values that can be known beforehand: what _include may follow, what _sort may use, the codes of result parameters. */
export function suggestValues(typed, name, type, capability) {
  const done = typed.slice(0, typed.lastIndexOf(",") + 1);
  const values = knownValues(name, type, capability);
  return ranked(typed.slice(done.length), values, (value) => value).map((value) => suggestion(done + value, value));
}

function knownValues(name, type, capability) {
  const base = name.split(":")[0];
  if (name.endsWith(":missing")) return ["true", "false"];
  if (base === "_include") return capability.includes(type);
  if (base === "_revinclude") return capability.referrers(type).map((pair) => pair.join(":"));
  if (base === "_sort") return [...capability.searchParameters(type).keys()].flatMap((each) => [each, `-${each}`]);
  if (base === "_summary") return ["true", "text", "data", "count", "false"];
  if (base === "_total") return ["none", "estimate", "accurate"];
  return [];
}

/** A whole request typed so far, "Patient?na": its type, then the names of its parameters, then their values. */
export function suggestRequest(typed, capability) {
  const question = typed.indexOf("?");
  if (question < 0) return typed.includes("/") ? [] : suggestTypes(typed, capability);
  const type = typed.slice(0, question);
  const at = Math.max(typed.lastIndexOf("&"), question) + 1;
  const equals = typed.indexOf("=", at);
  const head = typed.slice(0, equals < 0 ? at : equals + 1);
  const found =
    equals < 0
      ? suggestParameters(typed.slice(at), type, capability).map((each) => ({ ...each, text: `${each.text}=` }))
      : suggestValues(typed.slice(equals + 1), typed.slice(at, equals), type, capability);
  return found.map((each) => ({ ...each, text: head + each.text }));
}

/** The parameter a name leads to, through its chain: {name, type, documentation}; undefined for an unknown one. */
export function parameterOf(name, type, capability) {
  const { code, types, of = types } = lastStep(name, [type], capability);
  for (const each of of) {
    const found = capability.searchParameters(each).get(code);
    if (found) return { ...found, documentation: plain(found.documentation, each) };
  }
  return resultParameter(code);
}

// The last step of a chain: what stands before it, what is typed of it, of which types it is a parameter, whether a
// type is awaited there, and the name of the parameter.
function lastStep(typed, types, capability) {
  const has = /^((?:.*\.)?_has:)([A-Za-z]*)(?::([\w-]*)(?::(.*))?)?$/s.exec(typed);
  if (has) return stepOfHas(has, capability);
  const dot = typed.indexOf(".");
  if (dot < 0) return plainStep(typed, types, capability);
  const first = plainStep(typed.slice(0, dot), types, capability);
  const targets = first.expects === "type" ? [first.rest] : targetsOf(first.code, types, capability);
  const next = lastStep(typed.slice(dot + 1), targets, capability);
  return { ...next, before: typed.slice(0, dot + 1) + next.before };
}

function stepOfHas([, start, from, reference, inner], capability) {
  if (reference === undefined) return { before: start, rest: from, types: capability.types, expects: "type", code: "" };
  const before = `${start}${from}:`;
  if (inner === undefined) return { before, rest: reference, types: [from], expects: "parameter", code: reference };
  const next = lastStep(inner, [from], capability);
  return { ...next, before: `${before}${reference}:${next.before}` };
}

function plainStep(rest, types, capability) {
  const [code, modifier] = rest.split(":", 2);
  const isReference = types.some((type) => capability.searchParameters(type).get(code)?.type === "reference");
  if (modifier === undefined || !isReference || !/^(?:[A-Z]|$)/.test(modifier)) {
    return { before: "", rest, types, expects: "parameter", code };
  }
  return {
    before: `${code}:`,
    rest: modifier,
    types: targetsOf(code, types, capability),
    expects: "type",
    code,
    of: types,
  };
}

function targetsOf(code, types, capability) {
  return [...new Set(types.flatMap((type) => capability.targets(type, code)))];
}

function ranked(typed, items, nameOf) {
  const wanted = typed.toLowerCase();
  const starts = [];
  const contains = [];
  for (const item of items) {
    const at = nameOf(item).toLowerCase().indexOf(wanted);
    if (at === 0) starts.push(item);
    else if (at > 0) contains.push(item);
  }
  return [...starts, ...contains];
}

// A parameter of several types documents them all in one text: "* [Patient](patient.html): …\r\n* [Person](…): …".
function plain(documentation = "", type = "") {
  const own = documentation.split(/\r?\n\s*\*\s*/).find((part) => part.startsWith(`[${type}]`));
  return (own?.slice(own.indexOf(":") + 1) ?? documentation.replace(/^Multiple Resources:\s*/i, ""))
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/\s+/g, " ")
    .trim();
}

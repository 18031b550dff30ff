// The difference between two versions on the page.

import { Failure } from "./client.js";
import { diff } from "./diff.js";
import { h } from "./dom.js";
import { text } from "./format.js";
import { withoutMeta } from "./history.js";
import { stringify } from "./json.js";
import { label, plural } from "./labels.js";
import { placeHash } from "./location.js";
import { narrativeText } from "./narrative-view.js";
import { wordEdits } from "./words.js";

/** Reads both versions of "Patient/1" -> [before, after], null for one that is a deletion. */
export function readVersions(session, path, from, to) {
  return Promise.all([from, to].map((version) => readVersion(session, `${path}/_history/${version}`)));
}

async function readVersion(session, relative) {
  try {
    return await session.get(relative);
  } catch (problem) {
    if (problem instanceof Failure && problem.status === 410) return null;
    throw problem;
  }
}

/** What changed, element by element. path: "Patient/1". */
export function diffView(before, after, path, from, to) {
  const all = diff(withoutMeta(before), withoutMeta(after));
  const isNarrative = (change) => change.path.startsWith("text.");
  const changes = [...all.filter((change) => !isNarrative(change)), ...all.filter(isNarrative)];
  const turned = placeHash({ path: `${path}/_history`, view: `diff:${to}:${from}` });
  return h(
    "section",
    { class: "card diff" },
    h("h2", {}, `Version ${from} to ${to}`, h("span", { class: "qualifier" }, plural(changes.length, "change"))),
    h("p", { class: "qualifier" }, stateWords(before, from), stateWords(after, to), h("a", { href: turned }, "Swap")),
    changes.length
      ? h("ul", { class: "changes" }, changes.map(changeView))
      : h("p", { class: "empty" }, "The content is the same."),
  );
}

function stateWords(resource, version) {
  return resource ? "" : `Version ${version} is a deletion. `;
}

function changeView({ path, op, before, after }) {
  return h(
    "li",
    { class: `change ${op}` },
    h(
      "p",
      { class: "change-path" },
      h("strong", {}, pathWords(path)),
      h("code", {}, path),
      h("span", { class: "chip" }, op),
    ),
    h("div", { class: "change-content" }, content(path, before, after)),
  );
}

function content(path, before, after) {
  const [old, fresh] = [before, after].map((value) => (value === undefined ? undefined : shown(path, value)));
  if (old === undefined) return h("ins", {}, fresh);
  if (fresh === undefined) return h("del", {}, old);
  if (typeof before !== "string" || typeof after !== "string") return [h("del", {}, old), " ", h("ins", {}, fresh)];
  const tags = { same: "span", removed: "del", added: "ins" };
  return wordEdits(old, fresh).map(([op, words]) => h(tags[op], {}, words));
}

// A narrative is compared as what it says; its markup is in the raw views.
function shown(path, value) {
  if (path.endsWith("div") && typeof value === "string") return narrativeText(value);
  if (typeof value === "boolean") return String(value);
  if (typeof value === "object" && !text(value)) return stringify(value);
  return Array.isArray(value) && value.some((each) => !text(each)) ? stringify(value) : text(value);
}

function pathWords(path) {
  return path
    .split(".")
    .map((part) => label(part.replace(/\[\d+\]$/, "").replace(/^_/, "")))
    .join(" › ");
}

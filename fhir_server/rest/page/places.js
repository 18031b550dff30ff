// The places of the page: for each form of a FHIR request, what is asked and what is shown.

import { bundleView } from "./bundle.js";
import { Failure } from "./client.js";
import { diffView, readVersions } from "./diff-view.js";
import { h } from "./dom.js";
import { fhirpathView } from "./fhirpath.js";
import { instanceHistory, versions, wideHistory } from "./history.js";
import { homeView, readStored } from "./home.js";
import { parse } from "./json.js";
import { label, typeLabel } from "./labels.js";
import { relativeUrl } from "./location.js";
import { failureHeading, outcomeView } from "./outcome.js";
import { rawView, readRaw } from "./raw.js";
import { readReferrers, referrersView } from "./referrers.js";
import { resourceHeading, resourceView } from "./resource.js";
import { searchForm } from "./search-form.js";
import { tabs } from "./tabs.js";
import { title } from "./title.js";

const TYPE = /^[A-Z][A-Za-z]*$/;
const INSTANCE = /^[A-Z][A-Za-z]*\/[A-Za-z0-9.-]+(?:\/_history\/[^/]+)?$/;
const INSTANCE_HISTORY = /^([A-Z][A-Za-z]*\/[A-Za-z0-9.-]+)\/_history$/;

// The form of a place -> how it is shown. The first that fits; each gives {title, content}.
const PLACES = [
  [(place) => place.path === "" && !place.query, home],
  [(place) => INSTANCE.test(place.path) && !place.query, instance],
  [(place) => INSTANCE_HISTORY.test(place.path), history],
  [(place) => TYPE.test(place.path), search],
  [() => true, anything],
];

/** Shows a place. page: {session, capability, base, go, newSession} -> {title, content: nodes}. */
export function showPlace(place, page) {
  const [, show] = PLACES.find(([fits]) => fits(place));
  return show(place, page);
}

async function home(_place, { session, capability, go }) {
  const stored = await readStored(session, capability);
  return { title: capability.software.name, content: homeView({ stored, capability, go }) };
}

const INSTANCE_VIEWS = {
  "": async ({ path }, page) => {
    const resource = await page.session.get(path);
    return { words: "Readable", resource, content: resourceView(resource, page.base) };
  },
  json: async ({ path }, page) => {
    const text = await readRaw(page.session, path, "json");
    return { words: "JSON", resource: parse(text), content: rawView(text, "json") };
  },
  xml: async ({ path }, page) => {
    const text = await readRaw(page.session, path, "xml");
    return { words: "XML", content: rawView(text, "xml") };
  },
  referrers: async ({ path }, page) => {
    const found = await readReferrers(page.session, path, page.capability);
    return { words: "Referred to by", content: referrersView(found) };
  },
  fhirpath: async ({ path }, page) => {
    const { text } = await page.session.text("GET", path);
    return { words: "FHIRPath", resource: parse(text), content: fhirpathView(text, page.newSession, page.base) };
  },
};

async function instance(place, page) {
  const read = INSTANCE_VIEWS[place.view] ?? INSTANCE_VIEWS[""];
  const { words, resource, content } = await failuresShown(() => read(place, page));
  const shown = resource === undefined ? await named(place.path, page) : resource;
  return {
    title: titleOf(shown, place.path),
    content: [resourceHeading(place.path, shown, words, page.capability), content],
  };
}

async function history(place, page) {
  const [, path] = INSTANCE_HISTORY.exec(place.path);
  const [view, from, to] = place.view.split(":");
  const { resource, content } = await failuresShown(async () => {
    if (view === "diff") {
      const [before, after] = await readVersions(page.session, path, from, to);
      return { resource: after ?? before, content: diffView(before, after, path, from, to) };
    }
    const bundle = await page.session.get(relativeUrl(place));
    const [latest] = versions(bundle).filter((version) => version.resource);
    return { resource: latest?.resource, content: instanceHistory(bundle, path, page.base, page.go) };
  });
  return {
    title: `History of ${titleOf(resource, path)}`,
    content: [resourceHeading(path, resource ?? null, "History", page.capability), content],
  };
}

async function search(place, page) {
  const { path: type, query } = place;
  const { content } = await failuresShown(() => answer(place, page));
  return {
    title: typeLabel(type),
    content: [
      h("h1", { tabindex: "-1" }, typeLabel(type)),
      searchForm({ type, query, capability: page.capability, go: page.go }),
      answerTabs(place),
      content,
    ],
  };
}

async function anything(place, page) {
  const { content, words = wordsOf(place) } = await failuresShown(() => answer(place, page));
  return { title: words, content: [h("h1", { tabindex: "-1" }, words), answerTabs(place), content] };
}

function wordsOf(place) {
  if (place.path === "_history") return "Latest changes";
  const [, on, operation] = /^(?:(.*)\/)?\$([a-z-]+)$/.exec(place.path) ?? [];
  if (operation) return on ? `${label(operation)} of ${on}` : label(operation);
  const type = /^([A-Z][A-Za-z]*)\/_history$/.exec(place.path)?.[1];
  return type ? `Latest changes of ${typeLabel(type)}` : relativeUrl(place) || "FHIR base";
}

async function answer(place, { session, base }) {
  const relative = relativeUrl(place);
  if (place.view === "json" || place.view === "xml") {
    return { content: rawView(await readRaw(session, relative, place.view), place.view) };
  }
  const resource = await session.get(relative);
  if (resource.resourceType === "OperationOutcome") return { content: outcomeView(resource, "What the server says") };
  if (resource.resourceType !== "Bundle")
    return { words: titleOf(resource, relative), content: resourceView(resource, base) };
  return { content: resource.type === "history" ? wideHistory(resource, base) : bundleView(resource, base) };
}

function answerTabs({ path, query, view }) {
  const views = [
    [{ path, query }, "Readable"],
    [{ path, query, view: "json" }, "JSON"],
    [{ path, query, view: "xml" }, "XML"],
  ];
  return tabs(views, { json: "JSON", xml: "XML" }[view] ?? "Readable");
}

/** What `read` gives, or in its place the OperationOutcome that the server answered. */
async function failuresShown(read) {
  try {
    return await read();
  } catch (problem) {
    if (!(problem instanceof Failure)) throw problem;
    return { resource: null, content: outcomeView(problem.outcome, failureHeading(problem.status)) };
  }
}

/** The resource of a path for its heading, where a view did not read it; null where it can't be read. */
async function named(path, { session }) {
  try {
    return await session.get(path);
  } catch (problem) {
    if (problem instanceof Failure) return null;
    throw problem;
  }
}

function titleOf(resource, path) {
  return (resource && title(resource).text) || path;
}

// Studies, found by patient, name, accession number or date.
import { date, get, value, WEB } from "./calls.js";
import { h, images } from "./parts.js";

const MOST = 60; // that are shown
const FIELDS = [
  ["PatientID", "Patient ID"],
  ["PatientName", "Name"],
  ["AccessionNumber", "Accession number"],
  ["StudyDate", "Date (20260101-20260131)"],
];

export async function studies(parameters) {
  const query = new URLSearchParams([...parameters].filter(([, given]) => given));
  query.set("limit", String(MOST + 1));
  query.set("includefield", "00081030");
  if (query.has("PatientName")) query.set("fuzzymatching", "true");
  const found = await get(`${WEB}/studies?${query}`).then(list, (problem) => [h("p", { role: "alert" }, problem.message)]);
  return [h("h1", {}, "Studies"), form(parameters), ...found];
}

function list(found) {
  if (!found.length) return [h("p", { class: "quiet" }, "No study is found.")];
  const more = `There are more: these are ${MOST}. Narrow the search to see the others.`;
  return [
    h("ul", { class: "studies" }, found.slice(0, MOST).map(card)),
    found.length > MOST ? h("p", { role: "status" }, more) : null,
  ].filter(Boolean);
}

function form(parameters) {
  const fields = FIELDS.map(([name, label]) =>
    h("label", {}, label, h("input", { name, value: parameters.get(name) ?? "", autocomplete: "off" })),
  );
  const made = h("form", { class: "search", role: "search" }, fields, h("button", {}, "Search"));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = `#/?${new URLSearchParams(new FormData(made))}`;
  });
  return made;
}

function card(study) {
  const uid = value(study, "0020000D");
  const modalities = (study["00080061"]?.Value ?? []).join(", ");
  return h(
    "li",
    {},
    h(
      "a",
      { href: `#/study/${uid}` },
      h("img", { src: `${WEB}/studies/${uid}/thumbnail`, alt: "", loading: "lazy" }),
      h(
        "span",
        {},
        h("strong", {}, value(study, "00100010") || "No name"),
        h("span", { class: "quiet" }, value(study, "00100020")),
        h("span", {}, `${date(value(study, "00080020"))} ${modalities}`),
        h("span", {}, value(study, "00081030")),
        h("span", { class: "quiet" }, `${value(study, "00201206")} series, ${images(value(study, "00201208"))}`),
      ),
    ),
  );
}

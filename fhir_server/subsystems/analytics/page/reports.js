// Scheduled reports: what there is, each one that was written with its files, and how sending it went.

import { h } from "../../page/dom.js";
import { grid } from "../../page/screen.js";
import { calls } from "./calls.js";

export async function reportsView() {
  const { reports, problems } = await calls.get("reports");
  return [
    h("h1", { tabindex: "-1" }, "Reports"),
    problems.map((problem) => h("p", { class: "error" }, problem)),
    reports.map(section),
  ];
}

function section({ name, title, every, at, next, recipients, problem, written }) {
  const to = recipients.length ? `, by e-mail to ${recipients.join(", ")}` : "";
  const when = next.slice(0, 16).replace("T", " ");
  return h(
    "section",
    { "aria-label": title },
    h("h2", {}, title),
    h("p", { class: "qualifier" }, `After every ${every} at ${at}${to}; next ${when}.`),
    problem ? h("p", { class: "error" }, problem) : "",
    written.length
      ? grid(["Period", "Files", "Sent"], written.map((each) => [each.period, files(name, each), sent(name, each)]))
      : h("p", {}, "Nothing has been written yet."),
  );
}

function files(name, { period, files: names, withdrawn }) {
  if (withdrawn) return "withdrawn: what it was about has been erased";
  return names.map((file) =>
    h("a", { class: "file", href: calls.file(["reports", name, period, file].map(encodeURIComponent).join("/")), download: file }, ending(file, name, period)),
  );
}

/** The part of a file's name that tells it from its siblings. */
function ending(file, name, period) {
  return file.slice(`${name}-${period}`.length).replace(/^[-.]/, "");
}

function sent(name, { period, deliveries }) {
  if (!deliveries.length) return "–";
  const lines = deliveries.map(({ recipient, state, problem }) =>
    h("div", { class: state === "failed" ? "error" : "" }, `${recipient}: ${state}${problem ? `. ${problem}` : ""}`),
  );
  if (!deliveries.some(({ state }) => state === "failed")) return lines;
  const again = h("button", { type: "button", onclick: () => retry(again, name, period) }, "Send again");
  return [...lines, again];
}

async function retry(button, name, period) {
  button.disabled = true;
  try {
    await calls.post(`reports/${encodeURIComponent(name)}/${encodeURIComponent(period)}/send`);
    button.textContent = "Will be sent within half a minute";
  } catch (problem) {
    button.textContent = problem.message;
  }
}

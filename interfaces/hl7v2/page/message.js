// One message: what became of it, its segments beside the resources that it made, and what a person can do.

import { h } from "../../page/dom.js";
import { bytes, get, place, post, resource } from "./calls.js";
import { chip, when } from "./words.js";

const MOST_RESOURCES = 60;
const OPEN = ["received", "translating"];

/** The message with this id. again(): shows it anew. */
export async function messageView(id, again) {
  const message = await get(`messages/${id}`);
  return [
    h(
      "h1",
      { tabindex: "-1" },
      `${message.kind || "Unreadable message"} ${message.control}`,
    ),
    h(
      "p",
      { class: "facts" },
      chip(message.state),
      message.alarm ? h("span", { class: "alarm" }, "its MSH-10 was another message's") : null,
      ` from ${message.sender || "an unknown sender"} by ${message.source}, `,
      when(message.received),
      `, ${message.size.toLocaleString()} bytes`,
      message.revision ? `, correction ${message.revision} in force` : "",
    ),
    message.reason ? h("p", { class: `card said ${message.state}` }, message.reason) : null,
    h("div", { class: "beside" }, segments(message), h("div", {}, resources(message), history(message))),
    OPEN.includes(message.state) ? null : actions(message, again),
  ];
}

function segments(message) {
  const rows = message.segments.map(({ name, fields }, index) =>
    h(
      "details",
      { open: index < 40 && ["MSH", "PID", "ERR"].includes(name) },
      h("summary", {}, h("b", {}, name), " ", h("span", { class: "mono" }, fields.map(({ text }) => text).join("|"))),
      h(
        "dl",
        {},
        fields.map(({ number, text }) => [h("dt", {}, `${name}-${number}`), h("dd", { class: "mono" }, text)]),
      ),
    ),
  );
  return h(
    "section",
    { class: "card segments" },
    h("h2", {}, "Segments"),
    message.problem ? h("p", { class: "error" }, message.problem) : null,
    rows.length ? rows : h("pre", {}, message.text),
    message.more_segments ? h("p", {}, `and ${message.more_segments.toLocaleString()} more segments`) : null,
  );
}

function resources(message) {
  const list = h(
    "ul",
    { class: "made" },
    message.links.slice(0, MOST_RESOURCES).map((link) => {
      const [type, id] = link.split("/");
      const detail = h("details", {}, h("summary", {}, "content"));
      detail.addEventListener("toggle", async () => {
        if (!detail.open || detail.childElementCount > 1) return;
        const found = await resource(link.includes("_history") ? link : `${type}/${id}`);
        detail.append(h("pre", {}, found ? JSON.stringify(found, null, 2) : "It is not there any more."));
      });
      return h("li", {}, h("a", { href: place(`${type}/${id}`) }, `${type} ${id}`), detail);
    }),
  );
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Resources made"),
    message.links.length ? list : h("p", {}, "None."),
    message.links.length > MOST_RESOURCES ? h("p", {}, `and ${message.links.length - MOST_RESOURCES} more`) : null,
    message.provenance ? h("p", {}, h("a", { href: place(message.provenance) }, "Their Provenance")) : null,
  );
}

function history(message) {
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "What became of it"),
    h(
      "ol",
      { class: "steps" },
      message.steps.map(({ at, state, reason }) => h("li", {}, when(at), " ", chip(state), " ", reason)),
    ),
    message.answer
      ? h("details", { open: message.state === "failed" }, h("summary", {}, `Answered ${message.code}`), h("pre", {}, message.answer.replaceAll("\r", "\n")))
      : null,
  );
}

function actions(message, again) {
  const said = h("p", { class: "error", role: "status" });
  const reason = h("input", { name: "reason", maxlength: 500, "aria-label": "Reason" });
  const text = h("textarea", { rows: 14, spellcheck: "false", class: "mono", "aria-label": "Content" });
  text.value = message.text;
  const button = (shown, work, kind = "") =>
    h(
      "button",
      {
        type: "button",
        class: kind,
        onclick: async () => {
          said.textContent = "";
          try {
            await work();
            await settled(message.id);
            await again();
          } catch (problem) {
            said.textContent = problem.message;
          }
        },
      },
      shown,
    );
  const correct = () =>
    post(
      `messages/${message.id}/correct?reason=${encodeURIComponent(reason.value)}`,
      `${text.value.trimEnd().replaceAll(/\r?\n/g, "\r")}\r`,
    );
  const whole = !message.more_text;
  const dismissable = ["failed", "waiting"].includes(message.state);
  return h(
    "section",
    { class: "card edit" },
    h("h2", {}, "Correct, replay, dismiss"),
    h("p", {}, "What came is kept. A correction is applied in its place; a replay applies it once more, by the tables of now."),
    whole
      ? text
      : h("p", {}, "It is too long to be corrected here: take ", h("a", { href: bytes(message.id) }, "its bytes"), " and send the correction by the command line or over HTTP."),
    h("label", {}, "Reason", reason),
    h(
      "p",
      { class: "actions" },
      whole ? button("Apply the corrected message", correct, "primary") : null,
      button("Replay as it is", () => post(`messages/${message.id}/replay`, { reason: reason.value })),
      dismissable ? button("Dismiss", () => post(`messages/${message.id}/dismiss`, { reason: reason.value })) : null,
    ),
    said,
  );
}

async function settled(id) {
  for (let turn = 0; turn < 30; turn += 1) {
    const { state } = await get(`messages/${id}`);
    if (!OPEN.includes(state)) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

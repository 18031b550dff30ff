// Destinations: their circuits, their queues, and letters that a person sends again or drops.

import { columnHead, h } from "../../page/dom.js";
import { get, place, post } from "./calls.js";
import { chip, when } from "./words.js";

/** All destinations with their latest letters. again(): shows them anew. */
export async function destinationsView(again) {
  const [{ destinations }, { letters }] = await Promise.all([get("destinations"), get("letters?limit=100")]);
  return [
    h("h1", { tabindex: "-1" }, "Destinations"),
    destinations.length
      ? h("ul", { class: "destinations" }, destinations.map(destination))
      : h("p", { class: "card empty" }, "No destination is set up in the interfaces file."),
    letters.length ? table(letters, again) : null,
  ];
}

function destination(each) {
  const counts = Object.entries(each.letters).map(([state, count]) => `${count.toLocaleString()} ${state}`);
  return h(
    "li",
    { class: "card" },
    h("h2", {}, each.name, " ", h("span", { class: `chip ${each.circuit === "open" ? "failed" : "done"}` }, `circuit ${each.circuit}`)),
    h("p", {}, `${each.host}:${each.port}`, each.subscribe.length ? `, sent: ${each.subscribe.join("; ")}` : ""),
    h("p", {}, counts.join(", ") || "nothing sent yet"),
    each.problem ? h("p", { class: "error" }, `${each.failures} failures in a row: ${each.problem}`) : null,
  );
}

function table(letters, again) {
  const said = h("p", { class: "error", role: "status" });
  const act = (shown, path, ask) =>
    h(
      "button",
      {
        type: "button",
        onclick: async () => {
          const reason = ask ? prompt("Why is it dropped?") : "";
          if (reason === null) return;
          try {
            await post(path, { reason });
            await again();
          } catch (problem) {
            said.textContent = problem.message;
          }
        },
      },
      shown,
    );
  const cell = (label, ...content) => h("td", { "data-label": label }, ...content);
  return h(
    "section",
    { class: "card" },
    said,
    h(
      "div",
      { class: "table-frame" },
      h(
        "table",
        { class: "log" },
        h("caption", { class: "offscreen" }, "Messages to destinations"),
        h("thead", {}, h("tr", {}, ["Message", "To", "State", "Of", "Changed", "Reason", ""].map(columnHead))),
        h(
          "tbody",
          {},
          letters.map((each) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, h("details", {}, h("summary", {}, `${each.kind || "not made"} ${each.control}`), h("pre", {}, each.text), each.answer ? h("pre", {}, each.answer) : null)),
              cell("To", each.destination),
              cell("State", chip(each.state)),
              cell("Of", each.key.includes("/") ? h("a", { href: place(each.key.split("/_history")[0]) }, each.key.split("/_history")[0]) : each.key),
              cell("Changed", when(each.changed)),
              cell("Reason", h("span", { class: "reason" }, each.reason)),
              cell("", each.text ? act("Send again", `letters/${each.id}/resend`, false) : null, each.state === "accepted" || each.state === "dropped" ? null : act("Drop", `letters/${each.id}/drop`, true)),
            ),
          ),
        ),
      ),
    ),
  );
}

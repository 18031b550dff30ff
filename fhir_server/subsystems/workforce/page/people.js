// People: who may work, and the reports about them.

import { h } from "../../page/dom.js";
import { ask, grid, linked } from "../../page/screen.js";
import { calls } from "./calls.js";

export async function peopleView() {
  const { people } = await calls.get("people");
  return [
    h("h1", { tabindex: "-1" }, "People"),
    people.length
      ? grid(
          ["Name", "Role", "Skills", "Hours a week", "Qualified until", "May work"],
          people.map((each) => [
            linkNamed(each.practitioner, each.name),
            linked(each.role, calls.place),
            each.skills.join(", "),
            each.hours,
            each.qualified_until,
            each.may_work ? "yes" : h("span", { class: "error" }, each.blocked ? "no, and may not order" : "no"),
          ]),
        )
      : h("p", { class: "card empty" }, "There are no PractitionerRoles yet."),
  ];
}

function linkNamed(reference, name) {
  return h("a", { href: calls.place(reference) }, name);
}

export async function reportsView(month) {
  const chosen = month || new Date().toISOString().slice(0, 7);
  const [{ practitioners }, { roles }] = await Promise.all([calls.get("compliance"), calls.get(`performance/${chosen}`)]);
  return [
    h("h1", { tabindex: "-1" }, "Compliance"),
    grid(
      ["Name", "Qualifications", "State", "Training", "Short rests", "Weeks over hours"],
      practitioners.map((each) => [
        linkNamed(each.practitioner, each.name),
        each.qualifications.map(({ name, ends }) => h("div", {}, ends ? `${name}, until ${ends}` : name)),
        each.state,
        each.training.map(({ name, state, ends }) =>
          h("div", { class: state === "valid" ? "" : "error" }, `${name}: ${state}${ends ? `, until ${ends}` : ""}`),
        ),
        each.short_rests,
        each.weeks_over,
      ]),
    ),
    h("h2", {}, `Performance, ${chosen}`),
    ask([["month", "Month", { type: "month", value: chosen, required: true }]], "Show", async ({ month }) => {
      location.hash = `#/reports/${month}`;
    }),
    grid(
      ["Name", "Hours planned", "Hours worked", "Encounters", "Procedures", "Per hour"],
      roles.map((each) => [each.name, each.planned_hours, each.worked_hours, each.encounters, each.procedures, each.acts_per_hour ?? ""]),
    ),
  ];
}

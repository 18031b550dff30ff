// Time that was worked: recorded, and as pay.

import { h } from "../../page/dom.js";
import { ask, grid } from "../../page/screen.js";
import { calls } from "./calls.js";

export async function timeView() {
  const [{ times }, { people }] = await Promise.all([calls.get("times"), calls.get("people")]);
  const names = new Map(people.map(({ role, name }) => [role, name]));
  const now = new Date();
  const month = `${now.getFullYear()}-${String(now.getMonth() + 1).padStart(2, "0")}`; // of the clock on the wall
  return [
    h("h1", { tabindex: "-1" }, "Time and pay"),
    ask(
      [
        ["role", "Who", { options: people.map(({ name, role }) => `${name} · ${role}`) }],
        ["start", "From", { type: "datetime-local", required: true }],
        ["end", "To", { type: "datetime-local", required: true }],
      ],
      "Record it",
      async ({ role, start, end }) => {
        const whole = (text) => new Date(text).toISOString();
        await calls.post("times", { role: role.split(" · ")[1], start: whole(start), end: whole(end) });
        return "Recorded.";
      },
    ),
    h("h2", {}, "Pay"),
    ask([["month", "Month", { type: "month", value: month, required: true }]], "Hours and pay as CSV", async ({ month }) => {
      location.assign(new URL(`../payroll/${month}`, import.meta.url));
    }),
    ask([["month", "Month", { type: "month", value: month, required: true }]], "Journal as CSV", async ({ month }) => {
      location.assign(new URL(`../journal/${month}`, import.meta.url));
    }),
    h("h2", {}, "Recorded"),
    grid(
      ["From", "To", "Who", "Entry"],
      times.map((each) => [
        shown(each.start), shown(each.end), h("a", { href: calls.place(each.role) }, names.get(each.role) ?? each.role),
        h("a", { href: calls.place(`Basic/${each.id}`) }, "entry"),
      ]),
    ),
  ];
}

/** A moment as people here write it. */
function shown(moment) {
  return new Date(moment).toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" });
}

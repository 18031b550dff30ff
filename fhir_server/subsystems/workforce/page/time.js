// Time that was worked: recorded, and as pay.

import { h } from "../../page/dom.js";
import { ask, grid, linked } from "../../page/screen.js";
import { calls } from "./calls.js";

export async function timeView() {
  const [{ times }, { people }] = await Promise.all([calls.get("times"), calls.get("people")]);
  const month = new Date().toISOString().slice(0, 7);
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
      times.map((each) => [each.start, each.end, linked(each.role, calls.place), linked(`Basic/${each.id}`, calls.place)]),
    ),
  ];
}

// Rotas: the list, and one as a table of days and kinds of shifts, where shifts are given to others.

import { h } from "../../page/dom.js";
import { ask, grid } from "../../page/screen.js";
import { calls } from "./calls.js";

const STATES = ["proposed", "published"]; // in which it is known who is missing

export async function rotasView() {
  const { rotas } = await calls.get("rotas");
  return [
    h("h1", { tabindex: "-1" }, "Rotas"),
    rotas.length
      ? grid(
          ["Rota", "State", "People wanted", "Missing", ""],
          rotas.map((rota) => [
            h("a", { href: `#/rota/${rota.id}` }, rota.name || rota.id),
            rota.state,
            rota.needed,
            rota.missing || "none",
            rota.collide.length ? h("span", { class: "error" }, `These rules collide: ${rota.collide.join(", ")}`) : "",
          ]),
        )
      : h("p", { class: "card empty" }, "No rota has been asked for yet."),
    h("h2", {}, "Ask for a rota"),
    ask(
      [
        ["ward", "Ward", { placeholder: "Location/…", required: true }],
        ["start", "First day", { type: "date", required: true }],
        ["days", "Days", { type: "number", min: 1, max: 92, value: 28 }],
        ["shifts", "Shifts of a day: kind, from, hours, people", { value: "D 06:00 8 3, E 14:00 8 3, N 22:00 8 2", required: true }],
      ],
      "Ask for it",
      async ({ ward, start, days, shifts }) => {
        const { id } = await calls.post("rotas", { ward, start, days: Number(days), shifts: wanted(shifts) });
        location.hash = `#/rota/${id}`;
      },
    ),
  ];
}

/** "D 06:00 8 3, N 22:00 8 2" as the endpoint takes it. */
function wanted(text) {
  return text.split(",").map((part) => {
    const [kind, at, hours, needed] = part.trim().split(/\s+/);
    return { kind, at, hours: Number(hours), needed: Number(needed) };
  });
}

export async function rotaView(id) {
  const [rota, { people }] = await Promise.all([calls.get(`rotas/${encodeURIComponent(id)}`), calls.get("people")]);
  const kinds = [...new Set(rota.shifts.map(({ kind }) => kind))];
  const days = [...new Set(rota.shifts.map(({ start }) => start.slice(0, 10)))];
  const at = (day, kind) => rota.shifts.find((shift) => shift.kind === kind && shift.start.startsWith(day));
  return [
    h("h1", { tabindex: "-1" }, rota.name || "Rota"),
    h("p", {}, `${rota.state}${STATES.includes(rota.state) ? `; ${covered(rota.missing)}` : ""}.`),
    rota.collide.length ? h("p", { class: "error" }, `These rules collide: ${rota.collide.join(", ")}.`) : "",
    rota.state === "proposed" ? publishForm(rota) : "",
    grid(
      ["Day", ...kinds],
      days.map((day) => [day, ...kinds.map((kind) => (at(day, kind) ? shiftCell(at(day, kind)) : ""))]),
    ),
    rota.state === "published" ? swapForm(rota, people) : "",
  ];
}

function covered(missing) {
  if (!missing) return "everybody who is needed is there";
  return missing === 1 ? "1 person is missing" : `${missing} people are missing`;
}

function shiftCell(shift) {
  const missing = shift.needed - shift.works.length;
  return [
    shift.works.map(({ name, override }) =>
      h("div", { title: override || false }, name, override ? h("span", { class: "qualifier" }, " (overridden)") : ""),
    ),
    missing > 0 ? h("div", { class: "error" }, `${missing} missing`) : "",
  ];
}

function publishForm(rota) {
  const short = rota.missing > 0;
  return ask(
    short ? [["reason", "Why it is published short", { required: true }]] : [],
    short ? "Publish it short" : "Publish it",
    async ({ reason = "" }) => {
      const { assigned } = await calls.post(`rotas/${rota.id}/publish`, { short, reason });
      return `${assigned} shifts are given to people.`;
    },
  );
}

function swapForm(rota, people) {
  const shown = ({ start, kind }) => `${start.replace("T", " ")} ${kind}`;
  const role = (text) => text.split(" · ")[1] ?? "";
  const names = people.map(({ name, role }) => `${name} · ${role}`);
  return [
    h("h2", {}, "Give a shift to another"),
    ask(
      [
        ["shift", "Shift", { options: rota.shifts.map(shown) }],
        ["from", "From", { options: ["nobody: somebody is missing", ...names] }],
        ["to", "To", { options: names }],
        ["reason", "Why", { required: true }],
        ["override", "Rules", { options: ["keep the rules", "override them"] }],
      ],
      "Give it",
      async ({ shift, from, to, reason, override }) => {
        const { id } = rota.shifts.find((each) => shown(each) === shift);
        const fields = { from: role(from), to: role(to), reason, override: override === "override them" };
        const { overridden } = await calls.post(`shifts/${id}/swap`, fields);
        return overridden.length ? `Given; overridden: ${overridden.join("; ")}` : "Given.";
      },
    ),
  ];
}

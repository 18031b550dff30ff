// The dashboard: a card for each indicator, with its newest value, whether it meets the target, and its months.

import { h } from "../../page/dom.js";
import { grid, linked } from "../../page/screen.js";
import { calls } from "./calls.js";
import { number, plot } from "./plot.js";

export async function dashboard() {
  const { indicators } = await calls.get("indicators?months=13");
  const counted = ({ months }) => months.some(({ value }) => value !== null);
  const some = indicators.filter(counted);
  const none = indicators.filter((each) => !counted(each));
  return [
    h("h1", { tabindex: "-1" }, "Indicators"),
    some.length ? "" : h("p", { class: "card empty" }, "Nothing has been counted yet."),
    h("div", { class: "board" }, some.map(card)),
    none.length ? h("p", { class: "qualifier" }, `Without a value yet: ${none.map(({ title }) => title).join(", ")}.`) : "",
  ];
}

function card(indicator) {
  const { name, title, unit, target, better, months } = indicator;
  const newest = months.findLast(({ value }) => value !== null);
  const state = newest.met === true ? "met" : newest.met === false ? "missed" : "";
  const words = { met: "meets the target", missed: "misses the target", "": "" }[state];
  const goal = target === null ? "" : `target ${better === "low" ? "up to" : "from"} ${number(target)} ${unit}`;
  return h(
    "section",
    { class: `card indicator ${state}`, "aria-label": title },
    h("h2", {}, title),
    h("p", { class: "newest" }, h("strong", {}, number(newest.value)), ` ${unit}`, h("span", { class: "month" }, newest.month)),
    h("p", { class: "qualifier" }, [goal, words].filter(Boolean).join(", ") || "no target"),
    plot(indicator, (month) => (location.hash = `#/${name}/${month}`)),
  );
}

/** What the value of a month is made of. */
export async function rowsView(name, month) {
  const [indicator, rows] = await Promise.all([
    calls.get(`indicators/${encodeURIComponent(name)}?months=240`),
    calls.get(`indicators/${encodeURIComponent(name)}/${encodeURIComponent(month)}`),
  ]);
  const value = indicator.months.find((each) => each.month === month);
  return [
    h("h1", { tabindex: "-1" }, `${indicator.title}, ${month}`),
    h("p", {}, value?.rows ? `${value.value === null ? "No value" : `${number(value.value)} ${indicator.unit}`}, of ${value.rows} rows` : "Nothing in this month."),
    value?.rows ? h("p", {}, h("a", { href: `#/trace/${encodeURIComponent(`indicator/${name}/${month}`)}` }, "Trace it")) : "",
    table(rows),
  ];
}

/** An answer of the lake as a table; what is a reference is a link to the resource. */
export function table({ columns, rows, more }) {
  const cell = (value) => (typeof value === "number" ? number(value) : linked(value, calls.place));
  return [grid(columns, rows.map((row) => row.map(cell))), more ? h("p", { class: "qualifier" }, "There are more rows.") : ""];
}

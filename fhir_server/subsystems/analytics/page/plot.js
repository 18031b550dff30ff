// A plot of consecutive months as SVG: a column for each value, none where there is none, the target as a line. Read
// aloud, it is its table.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320;
const HEIGHT = 120;
const BELOW = 16; // room for the months
const LABEL = 16; // half of what a month takes, so that none is cut off at the sides

function s(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** months: [{month, value, met}], oldest first, value null for none; choose(month): called when a column is chosen. */
export function plot({ months, target, unit, title }, choose) {
  const top = Math.max(target ?? 0, ...months.map(({ value }) => value), 0) || 1;
  const high = (value) => (HEIGHT - BELOW) * (value / (top * 1.1));
  const wide = WIDTH / Math.max(months.length, 6);
  const columns = months.map(({ month, value, met }, at) => {
    const shown = value === null ? `${month}: no value` : `${month}: ${number(value)} ${unit}`;
    const column = s(
      "g",
      { class: `column ${met === true ? "met" : met === false ? "missed" : ""}`, tabindex: "0", role: "link", "aria-label": shown },
      s("title", {}, shown),
      s("rect", { x: at * wide, y: 0, width: wide, height: HEIGHT, class: "touch" }),
      s("rect", {
        x: at * wide + wide * 0.12,
        y: HEIGHT - BELOW - high(value),
        width: wide * 0.76,
        height: value === null ? 0 : Math.max(high(value), 1),
        rx: 2,
      }),
    );
    column.addEventListener("click", () => choose(month));
    column.addEventListener("keydown", (event) => event.key === "Enter" && choose(month));
    return column;
  });
  const labels = months.map(({ month }, at) =>
    at % Math.ceil(months.length / 6)
      ? ""
      : s("text", { x: Math.min(Math.max(at * wide + wide / 2, LABEL), WIDTH - LABEL), y: HEIGHT - 3, "text-anchor": "middle" }, month.slice(2)),
  );
  const line =
    target === null
      ? []
      : [s("line", { x1: 0, x2: WIDTH, y1: HEIGHT - BELOW - high(target), y2: HEIGHT - BELOW - high(target), class: "target" })];
  return s(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", role: "group", "aria-label": `${title} by month` },
    ...columns,
    ...labels.filter(Boolean),
    ...line,
  );
}

/** A value for people: no more digits than say something. */
export function number(value) {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString(undefined, { maximumFractionDigits: digits });
}

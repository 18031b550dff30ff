import { columnHead } from "../../page/dom.js";

// Elements: h("p", { class: "quiet" }, "text", child). Text is always text, never markup.

export function h(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, given] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), given);
    else if (given === true) made.setAttribute(key, "");
    else if (given !== false && given !== undefined) made.setAttribute(key, given);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

export function table(headings, rows, nothing) {
  if (!rows.length) return h("p", { class: "quiet" }, nothing);
  return h(
    "table",
    {},
    h("thead", {}, h("tr", {}, headings.map(columnHead))),
    h("tbody", {}, rows.map(line)),
  );
}

export function line(cells) {
  return h("tr", {}, cells.map((cell) => h("td", {}, cell)));
}

// A button whose work is told beside it, done or failed.
export function action(label, work) {
  const said = h("output", { "aria-live": "polite" });
  const button = h("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    button.disabled = true;
    said.textContent = " …";
    try {
      said.textContent = ` ${await work()}`;
    } catch (problem) {
      said.textContent = ` ${problem.message}`;
    }
    button.disabled = false;
  });
  return h("span", {}, button, said);
}

// So many images, in words.
export function images(count) {
  return `${count} ${Number(count) === 1 ? "image" : "images"}`;
}

// The screen of what is mounted beside FHIR: it shows the place that the URL names, and how far it is with the feed.

import { columnHead, h } from "./dom.js";
import { present } from "./presenting.js";
import { account, requireSignIn } from "./session.js";

const LOOK = 3000; // milliseconds between looks at how far it is
const READ = 4000; // milliseconds that the answer to a form stays
const LONG = 25; // letters of a value that a field among others has no room for
const FEW = 4; // columns that a phone has room for

/**
 * title: of the screen; view(parts): the content of a place, given the decoded parts of its hash; get: of callsBelow;
 * live(parts): whether the place is shown anew as the feed moves. Gives show(), which shows the place anew, once somebody may see it.
 */
export async function screen({ title, view, get, live = () => false }) {
  document.querySelector("header.top nav").append(account());
  await requireSignIn();
  const main = document.querySelector("main");
  const kept = document.querySelector(".kept");
  let shown = 0;
  let seen = "";

  const parts = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);

  const editing = () =>
    main.querySelector("form.touched") !== null ||
    (!getSelection().isCollapsed && main.contains(getSelection().anchorNode)) || // to be copied
    (main.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"));

  async function show() {
    const turn = ++shown;
    main.setAttribute("aria-busy", "true");
    const content = await found();
    if (turn === shown) put(content);
  }

  async function found() {
    try {
      return await view(parts());
    } catch (problem) {
      return [h("h1", { tabindex: "-1" }, "Something went wrong"), h("p", { class: "error" }, problem.message)];
    }
  }

  function put(content) {
    present(content);
    document.title = `${main.querySelector("h1")?.textContent ?? title} · ${title}`;
  }

  /** Shows the place anew unless somebody goes elsewhere or fills in a form meanwhile; whether it did. */
  async function follow() {
    const turn = shown;
    const content = await found();
    if (turn !== shown || editing()) return false;
    put(content);
    return true;
  }

  // Only news are told: a screen reader reads each that is.
  function tell(words) {
    if (kept.textContent !== words) kept.textContent = words;
  }

  async function look() {
    try {
      const state = await get("state");
      const behind = state.head - state.position;
      tell(state.problem || (behind > 0 ? `${behind} changes behind` : "up to date"));
      const moved = `${state.position} ${state.works}`;
      if (!seen || !live(parts()) || (moved !== seen && !editing() && (await follow()))) seen = moved;
    } catch (problem) {
      tell(problem.message);
    }
    setTimeout(look, LOOK);
  }

  window.addEventListener("hashchange", show);
  show();
  look();
  return show;
}

/** A link to the page of a resource where a value is a reference, else the value. */
export function linked(value, place) {
  return /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.test(value ?? "") ? h("a", { href: place(value) }, value) : value;
}

/**
 * A table that scrolls by itself; on a phone one of many columns is a list of its rows.
 * columns: names; rows: lists of what h takes; none: said where there are no rows.
 */
export function grid(columns, rows, none = "None.") {
  if (!rows.length) return h("p", { class: "empty" }, none);
  return h(
    "div",
    { class: `scroll card ${columns.length > FEW ? "many" : ""}` },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, columns.map(columnHead))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((value, at) => h("td", { "data-column": columns[at] }, value))))),
    ),
  );
}

/**
 * A form of labelled fields and a button. fields: [name, label, attributes, {options} of a select, or {rows} of a text of
 * lines]; send(values): a promise. It is "touched" from the first letter typed until its answer could be read, and for as
 * long as that is an error.
 */
export function ask(fields, label, send) {
  const answer = h("p", { role: "status" });
  const inputs = fields.map(([name, text, attributes = {}]) => {
    const { options, ...others } = attributes;
    const input = options
      ? h("select", { name }, options.map((option) => h("option", {}, option)))
      : h(others.rows ? "textarea" : "input", { name, ...others });
    return h("label", { class: others.rows || others.value?.length > LONG ? "long" : null }, h("span", {}, text), input);
  });
  const form = h(
    "form",
    {
      class: "card ask",
      oninput: () => form.classList.add("touched"),
      onsubmit: async (event) => {
        event.preventDefault();
        answer.className = "";
        answer.textContent = "…";
        form.classList.add("touched");
        try {
          answer.textContent = (await send(Object.fromEntries(new FormData(form)))) ?? "";
          setTimeout(() => form.classList.remove("touched"), READ);
        } catch (problem) {
          answer.className = "error";
          answer.textContent = problem.message;
        }
      },
    },
    inputs,
    h("button", { type: "submit" }, label),
    answer,
  );
  return form;
}

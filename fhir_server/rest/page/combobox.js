// A text field with suggestions (https://www.w3.org/WAI/ARIA/apg/patterns/combobox/): arrows, Enter, Tab, Escape.

import { h } from "./dom.js";

const MOST_SHOWN = 60;
let made = 0;

/**
 * The field. label: its accessible name; suggest(text): the suggestions for what is typed, [{text, label, kind, hint}];
 * onInput(text): on every change; onPick(suggestion): when one is taken; more: attributes of the input.
 * Gives {element, input}.
 */
export function combobox({ label, suggest, onInput = () => {}, onPick = () => {}, ...more }) {
  const id = `options-${++made}`;
  const list = h("ul", { id, role: "listbox", "aria-label": `Suggestions for ${label}`, hidden: true });
  const input = h("input", {
    type: "text",
    role: "combobox",
    "aria-label": label,
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": id,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    ...more,
  });
  const state = { options: [], active: -1 };

  const close = () => {
    list.hidden = true;
    state.active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const open = () => {
    state.options = suggest(input.value).slice(0, MOST_SHOWN);
    if (!state.options.length || (state.options.length === 1 && state.options[0].text === input.value)) return close();
    list.replaceChildren(
      ...state.options.map((option, index) => optionElement(option, `${id}-${index}`, () => pick(index))),
    );
    list.hidden = false;
    list.scrollTop = 0;
    state.active = -1;
    input.setAttribute("aria-expanded", "true");
    input.removeAttribute("aria-activedescendant");
  };
  const activate = (index) => {
    const count = state.options.length;
    list.children[state.active]?.setAttribute("aria-selected", "false");
    state.active = (index + count) % count;
    const element = list.children[state.active];
    element.setAttribute("aria-selected", "true");
    element.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", element.id);
  };
  const pick = (index) => {
    const option = state.options[index];
    input.value = option.text;
    close();
    onInput(option.text);
    onPick(option);
  };

  input.addEventListener("input", () => {
    onInput(input.value);
    open();
  });
  // What stands there is replaced by typing, and kept by the arrows.
  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", () => list.hidden && open());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const { key } = event;
    if (key === "ArrowDown" || key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) open();
      if (!list.hidden) activate(key === "ArrowDown" ? state.active + 1 : Math.max(state.active, 0) - 1);
    } else if ((key === "Enter" || key === "Tab") && state.active >= 0) {
      if (key === "Enter") event.preventDefault();
      pick(state.active);
    } else if (key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    }
  });
  return { element: h("span", { class: "combobox" }, input, list), input };
}

function optionElement({ label, kind, hint }, id, onTake) {
  const content = [h("span", { class: "option-label" }, label), kind && h("span", { class: "kind" }, kind)];
  return h(
    "li",
    {
      id,
      role: "option",
      "aria-selected": "false",
      // Before the field loses focus, which would close the list.
      onmousedown: (event) => {
        event.preventDefault();
        onTake();
      },
    },
    content,
    hint && h("span", { class: "hint" }, hint),
  );
}

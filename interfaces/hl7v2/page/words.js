// How states and times are shown.

import { h } from "../../page/dom.js";

/** A state as a coloured word. */
export function chip(state) {
  return h("span", { class: `chip ${state}` }, state);
}

/** An instant as local date and time. */
export function when(instant) {
  const time = new Date(instant);
  return h("time", { datetime: instant, title: instant }, time.toLocaleString());
}

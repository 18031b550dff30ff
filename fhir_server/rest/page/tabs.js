// The views of one place as links in a row.

import { h } from "./dom.js";
import { placeHash } from "./location.js";

/** Links to the views. views: a list of [place, words]; current: the words of the one that is shown. */
export function tabs(views, current) {
  return h(
    "nav",
    { class: "tabs", "aria-label": "Views" },
    views.map(([place, words]) =>
      h("a", { href: placeHash(place), "aria-current": words === current ? "page" : null }, words),
    ),
  );
}

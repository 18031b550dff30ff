// Shows a place in <main>: where the focus and the reader are then, and which link of the header leads there.

const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";

const main = document.querySelector("main");
let shown = null; // the hash of the place that is shown

/**
 * Puts a place where the one before it was. Those who read by ear or by keyboard start at its heading; where it is the
 * same place anew they stay at the control where they were, if it is still there.
 */
export function present(content) {
  const again = shown === location.hash;
  const focused = document.activeElement;
  const moving = focused === document.body || focused.matches("nav a") || main.contains(focused);
  const found = again && main.contains(focused) ? sameAs(focused) : () => null;
  shown = location.hash;
  main.replaceChildren(...[content].flat(Infinity).filter(Boolean));
  main.setAttribute("aria-busy", "false");
  markLinks();
  if (!again) scrollTo(0, 0);
  if (moving) (found() ?? heading()).focus({ preventScroll: true });
}

/** What finds the control that an element is once its place is shown anew: as it is called, of several the same one. */
function sameAs(element) {
  const called = (each) => [each.tagName, each.name, each.getAttribute("href"), each.textContent].join("\n");
  const alike = (name) => [...main.querySelectorAll(FOCUSABLE)].filter((each) => called(each) === name);
  const name = called(element);
  const at = alike(name).indexOf(element);
  return () => alike(name)[at] ?? null;
}

function heading() {
  const first = main.querySelector("h1") ?? main;
  first.tabIndex = -1;
  return first;
}

function markLinks() {
  const place = (hash) => hash.replace(/^#\/?/, "").split(/[/?]/)[0];
  for (const link of document.querySelectorAll("header.top nav a[href^='#']")) {
    if (place(link.getAttribute("href")) === place(location.hash)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// Its #main is no place.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  heading().focus();
});

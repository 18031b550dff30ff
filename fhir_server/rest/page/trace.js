// The trace of a resource or a message: what it was made of, and what became of it.

import { h } from "./dom.js";
import { ask, linked } from "./screen.js";

/** calls: of callsBelow; of: Type/id or a message's control id, "" for none yet; label: what else may be asked for. */
export async function traceView(calls, of = "", label = "Resource (Type/ID) or control id of a message") {
  const form = ask(
    [["of", label, { value: of, required: true }]],
    "Trace it",
    async ({ of }) => {
      location.hash = `#/trace/${encodeURIComponent(of.trim())}`;
    },
  );
  const title = h("h1", { tabindex: "-1" }, of ? `Trace of ${of}` : "Trace");
  if (!of) return [title, form];
  const found = await calls.get(`trace?of=${encodeURIComponent(of)}`);
  return [
    title,
    form,
    steps("Made of", found.back, calls.place),
    steps("Became", found.forward, calls.place),
    found.back.length + found.forward.length ? "" : h("p", {}, "Nothing tells of it."),
    found.more ? h("p", { class: "qualifier" }, "There is more than is shown.") : "",
  ];
}

function steps(title, list, place) {
  if (!list.length) return "";
  return h(
    "section",
    { class: "card trace" },
    h("h2", {}, title),
    h(
      "ul",
      {},
      list.map(({ depth, reference, how, said }) => {
        const at = reference.startsWith("message ") ? "" : ` · `;
        const on = at ? h("a", { href: `#/trace/${encodeURIComponent(reference)}` }, "trace") : "";
        const why = [how, said].filter(Boolean).join("; ");
        const item = h("li", {}, linked(reference, place), at, on, h("div", { class: "qualifier" }, why));
        item.style.marginLeft = `${(depth - 1) * 1.5}rem`;
        return item;
      }),
    ),
  );
}

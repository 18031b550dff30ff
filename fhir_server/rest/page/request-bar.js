// What the page asked of the server, and what came back: an address to edit, a curl line, and copy buttons.

import { combobox } from "./combobox.js";
import { curl } from "./curl.js";
import { copyButton, h } from "./dom.js";
import { bytes, plural } from "./labels.js";
import { relativeUrl, requestHash } from "./location.js";
import { suggestRequest } from "./suggest.js";

/** The bar. base: the FHIR base; go(hash): goes to a place; capability(): the Capability, null before it is known. */
export class RequestBar {
  constructor({ base, go, capability }) {
    this.base = base;
    const field = combobox({
      label: "FHIR request, relative to the base",
      suggest: (text) => (capability() ? suggestRequest(text, capability()) : []),
      placeholder: "Patient?name=…",
      class: "address-field mono",
      enterkeyhint: "go",
    });
    this.input = field.input;
    this.method = h("span", { class: "method" }, "GET");
    this.answer = h("output", { class: "answer", "aria-label": "Answer" }, "\u00a0");
    this.line = h("code", { class: "curl" }, "\u00a0");
    /** All the requests of the place, to put where there is room. */
    this.others = h("div", { class: "others" });
    this.main = null;
    const address = h(
      "form",
      {
        class: "address",
        onsubmit: (event) => {
          event.preventDefault();
          go(requestHash(this.input.value.trim().replace(`${base}/`, "")));
        },
      },
      this.method,
      h("span", { class: "base mono", title: base }, `${new URL(base).pathname}/`),
      field.element,
      h("button", { type: "submit" }, "Go"),
    );
    const copies = h(
      "div",
      { class: "copies" },
      copyButton("Copy URL", "URL of the request", () => this.main?.url ?? base),
      copyButton("Copy curl", "curl command of the request", () => (this.main ? curl(this.main) : "")),
    );
    this.element = h(
      "section",
      { class: "request-bar", "aria-label": "Request" },
      address,
      h("div", { class: "request-line" }, this.line, copies, this.answer),
    );
  }

  /** Shows the requests of a place: the first is the place's own, metadata apart. */
  show(place, exchanges) {
    const own = exchanges.filter((exchange) => place.path === "metadata" || !exchange.url.endsWith("/metadata"));
    this.main = own[0] ?? exchanges[0] ?? null;
    if (document.activeElement !== this.input) this.input.value = relativeUrl(place);
    if (!this.main) return;
    this.method.textContent = this.main.method;
    this.line.textContent = shortened(curl(this.main));
    this.answer.replaceChildren(...answerNodes(this.main));
    this.others.replaceChildren(requestsView(exchanges));
  }
}

function requestsView(exchanges) {
  const items = exchanges.map((exchange) =>
    h(
      "li",
      {},
      h("code", { class: "curl" }, shortened(curl(exchange))),
      copyButton("Copy curl", `curl command of ${exchange.url}`, () => curl(exchange)),
      h("span", { class: "answer" }, answerNodes(exchange)),
    ),
  );
  return h("details", {}, h("summary", {}, plural(exchanges.length, "request")), h("ul", {}, items));
}

function answerNodes({ status, statusText, milliseconds, bytes: size }) {
  if (!status) return [h("span", { class: "status waiting" }, milliseconds ? "no answer" : "…")];
  const kind = status < 400 ? "good" : "bad";
  return [
    h("span", { class: `status ${kind}` }, `${status} ${statusText}`.trim()),
    h("span", {}, `${Math.max(1, Math.round(milliseconds))} ms`),
    h("span", {}, bytes(size)),
  ];
}

// A batch of a hundred entries is copied whole but not shown whole.
function shortened(line) {
  return line.length > 600 ? `${line.slice(0, 600)}…` : line;
}

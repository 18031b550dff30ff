// Starts the page of HL7 v2 messages and shows the place that the URL names: the log, a message, the destinations.

import { h } from "../../page/dom.js";
import { present } from "../../page/presenting.js";
import { account, requireSignIn } from "../../page/session.js";
import { destinationsView } from "./destinations.js";
import { logView } from "./log.js";
import { messageView } from "./message.js";

const main = document.querySelector("main");
let shown = 0;

async function show() {
  const turn = ++shown;
  main.setAttribute("aria-busy", "true");
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [place, id] = path.split("/");
  let content;
  try {
    if (place === "message") content = await messageView(id, show);
    else if (place === "destinations") content = await destinationsView(show);
    else content = await logView(new URLSearchParams(query));
  } catch (problem) {
    content = [h("h1", { tabindex: "-1" }, "Something went wrong"), h("p", { class: "error" }, problem.message)];
  }
  if (turn !== shown) return;
  present(content);
  document.title = `${main.querySelector("h1")?.textContent ?? "Messages"} · HL7 v2`;
}

document.querySelector("header.top nav").append(account());
await requireSignIn();
window.addEventListener("hashchange", show);
show();

// Starts the page: learns what the server can do, then shows the place that the URL names, and each that follows.

import { Capability } from "./capability.js";
import { Client, Failure } from "./client.js";
import { h } from "./dom.js";
import { failureHeading, outcomeView } from "./outcome.js";
import { showPlace } from "./places.js";
import { present } from "./presenting.js";
import { RequestBar } from "./request-bar.js";
import { Router } from "./router.js";
import { account, requireSignIn } from "./session.js";

const base = new URL("fhir", document.baseURI).href;
const client = new Client(base);
const main = document.querySelector("main");
const page = { capability: null, session: null };

const router = new Router(show);
const bar = new RequestBar({ base, go: router.go, capability: () => page.capability });
document.querySelector("header.top").append(bar.element);
document.querySelector("header.top nav").append(bar.others, account());
showPages();

async function show(place) {
  page.session?.cancel();
  const session = client.session((exchanges) => page.session === session && bar.show(place, exchanges));
  page.session = session;
  bar.show(place, []);
  main.setAttribute("aria-busy", "true");
  try {
    page.capability ??= await readCapability(session);
    const { title, content } = await showPlace(place, {
      session,
      capability: page.capability,
      base,
      go: router.go,
      newSession: () => client.session((exchanges) => bar.show(place, [...exchanges, ...session.exchanges])),
    });
    if (page.session !== session) return false;
    return put(title, content);
  } catch (problem) {
    if (page.session !== session) return false;
    return put("Something went wrong", problemView(problem));
  }
}

// The pages of interfaces and subsystems that this server has mounted.
async function showPages() {
  const answer = await fetch("pages.json").catch(() => null);
  if (!answer?.ok) return;
  const links = (await answer.json()).map(({ path, title }) => {
    const link = h("a", {}, title);
    link.setAttribute("href", path);
    return link;
  });
  document.querySelector("header.top nav .version").after(...links);
}

function put(title, content) {
  present(content);
  main.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  document.title =
    title === page.capability?.software.name ? title : `${title} · ${page.capability?.software.name ?? "FHIR"}`;
  return true;
}

async function readCapability(session) {
  const { text } = await session.text("GET", "metadata");
  const capability = new Capability(JSON.parse(text));
  document.querySelector(".brand").textContent = capability.software.name;
  document.querySelector(".version").textContent = capability.versionWords;
  return capability;
}

function problemView(problem) {
  if (problem instanceof Failure) {
    return [
      h("h1", { tabindex: "-1" }, "Something went wrong"),
      outcomeView(problem.outcome, failureHeading(problem.status)),
    ];
  }
  console.error(problem);
  return [h("h1", { tabindex: "-1" }, "This page made a mistake"), h("p", { class: "card" }, String(problem))];
}

addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    bar.input.select();
  }
});

await requireSignIn();
router.start();

// The page: the address after # says what is shown.
import { present } from "../../page/presenting.js";
import { account, requireSignIn } from "../../page/session.js";
import { jobs, peers, quarantine, worklist } from "./lists.js";
import { h } from "./parts.js";
import { steps } from "./steps.js";
import { studies } from "./studies.js";
import { viewer } from "./viewer.js";

const LISTS = { worklist, steps, quarantine, peers, jobs };
let turn = 0;

async function show() {
  const own = ++turn;
  const main = document.getElementById("main");
  const [path, query] = location.hash.replace(/^#\//, "").split("?");
  const [place, uid] = path.split("/");
  main.setAttribute("aria-busy", "true");
  let shown;
  try {
    if (place === "study") shown = await viewer(uid);
    else if (place in LISTS) shown = await LISTS[place]();
    else shown = await studies(new URLSearchParams(query));
  } catch (problem) {
    shown = [h("h1", {}, "Something went wrong"), h("p", { role: "alert" }, problem.message)];
  }
  if (own !== turn) return; // somebody went elsewhere meanwhile
  present(shown);
  document.title = `${main.querySelector("h1").textContent} · DICOM`;
}

document.querySelector("header.top nav").append(account());
await requireSignIn();
addEventListener("hashchange", show);
show();

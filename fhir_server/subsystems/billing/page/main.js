// Starts the screen of billing; lists are shown anew as the feed moves.

import { screen } from "../../page/screen.js";
import { traceView } from "../../page/trace.js";
import { calls } from "./calls.js";
import { account, payments } from "./payments.js";
import { claim, claims, encounter, encounters, files, journal, letter, overview, work } from "./places.js";

const TRACED = "Resource (Type/ID), journal/NUMBER or control id of a message";

function view([place, name]) {
  if (place === "encounters") return name ? encounter(name) : encounters();
  if (place === "claims") return name ? claim(name) : claims();
  if (place === "files") return files();
  if (place === "work") return work(name);
  if (place === "letters") return letter(name);
  if (place === "payments") return payments();
  if (place === "patients") return account(name);
  if (place === "trace") return traceView(calls, name, TRACED);
  return place === "journal" ? journal() : overview();
}

screen({ title: "Billing", view, get: calls.get, live: ([, name]) => !name });

// Starts the screen of the workforce.

import { screen } from "../../page/screen.js";
import { traceView } from "../../page/trace.js";
import { calls } from "./calls.js";
import { peopleView, reportsView } from "./people.js";
import { rotaView, rotasView } from "./rotas.js";
import { timeView } from "./time.js";
import { workView } from "./work.js";

const views = { work: workView, people: peopleView, time: timeView, reports: reportsView };

function view([name, id]) {
  if (name === "rota") return rotaView(id);
  if (name === "trace") return traceView(calls, id);
  return (views[name] ?? rotasView)(id);
}

screen({ title: "Workforce", view, get: calls.get, live: ([name]) => name !== "trace" });

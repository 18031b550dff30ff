// Starts the screen of analytics; the dashboard is shown anew as the lake moves.

import { screen } from "../../page/screen.js";
import { traceView } from "../../page/trace.js";
import { calls } from "./calls.js";
import { dashboard, rowsView } from "./dashboard.js";
import { reportsView } from "./reports.js";
import { sqlView } from "./sql.js";

function view([name, month]) {
  if (name === "sql") return sqlView();
  if (name === "trace") return traceView(calls, month, "Resource (Type/ID), indicator/NAME/MONTH or control id of a message");
  if (name === "reports") return reportsView();
  return month ? rowsView(name, month) : dashboard();
}

screen({ title: "Analytics", view, get: calls.get, live: ([name]) => !name });

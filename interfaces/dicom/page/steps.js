// Unified Procedure Steps: those that are open, then the last that have ended.
import { date, get, personName, post } from "./calls.js";
import { action, h, table } from "./parts.js";

export async function steps() {
  const found = await get("api/workitems");
  const rows = found.map((step) => [
    `${date(step.start.slice(0, 8))} ${step.start.slice(8, 10)}:${step.start.slice(10, 12)}`.replace(/ :$/, ""),
    step.state,
    step.label,
    step.worklist,
    step.priority,
    personName(step.patient_name),
    step.patient_id,
    step.performer,
    [step.readiness, step.progress].filter(Boolean).join(", "),
    step.open ? cancel(step) : null,
  ]);
  const headings = ["When", "State", "What", "Worklist", "Priority", "Patient", "Patient ID", "Performer", "Progress", ""];
  return [h("h1", {}, "Procedure steps"), table(headings, rows, "There is no procedure step.")];
}

function cancel(step) {
  return action("Cancel", async () => {
    await post(`api/workitems/${step.uid}/cancel`, {});
    return step.state === "SCHEDULED" ? "It is cancelled." : "Its performer is asked to cancel it.";
  });
}

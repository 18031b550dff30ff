// Unified Procedure Steps: those that are open, then the last that have ended.
import { date, personName, post } from "./calls.js";
import { paged } from "./paged.js";
import { action, h } from "./parts.js";

export async function steps() {
  const row = (step) => [
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
  ];
  const headings = ["When", "State", "What", "Worklist", "Priority", "Patient", "Patient ID", "Performer", "Progress", ""];
  const shown = await paged("api/workitems", headings, row, "There is no procedure step.");
  return [h("h1", {}, "Procedure steps"), h("p", { class: "quiet" }, "Of those that have ended the last 50 are here."), ...shown];
}

function cancel(step) {
  return action("Cancel", async () => {
    await post(`api/workitems/${step.uid}/cancel`, {});
    return step.state === "SCHEDULED" ? "It is cancelled." : "Its performer is asked to cancel it.";
  });
}

// Payments of patients: what they owe, what they paid, and the forms of the desk.

import { h } from "../../page/dom.js";
import { ask, grid } from "../../page/screen.js";
import { calls } from "./calls.js";
import { amount, anew, button, claimLink, reason, resource, traced } from "./parts.js";

const METHODS = ["cash", "card", "check", "transfer"];
const MONEY = { required: true, inputmode: "decimal", placeholder: "0.00" };

const head = (text) => h("h1", { tabindex: "-1" }, text);
const accountLink = (patient) => h("a", { href: `#/patients/${encodeURIComponent(patient.split("/")[1])}` }, patient);

export async function payments() {
  const { invoices } = await calls.get("invoices");
  const { payments: done } = await calls.get("payments");
  return [
    head("Payments"),
    h("h2", {}, "Owed by patients"),
    invoices.length ? grid(
      ["Patient", "Invoice", "Of", "Share", "Paid", "Open"],
      invoices.map((each) => [accountLink(each.patient), resource(each.invoice), each.created.slice(0, 10), amount(each.asked), amount(each.paid + each.written_off), amount(each.open)]),
    ) : h("p", {}, "No patient owes anything."),
    ask([["patient", "Account of the patient (id)", { required: true }]], "Open", async ({ patient }) => {
      location.hash = `#/patients/${encodeURIComponent(patient.trim().replace(/^Patient\//, ""))}`;
    }),
    h("h2", {}, "At the desk"),
    paymentTable(done, true),
  ];
}

export async function account(id) {
  const path = `patients/${encodeURIComponent(id)}`;
  const { patient, owed, credit, invoices, payments: done } = await calls.get(`${path}/account`);
  const pay = ask(
    [["receipt", "Receipt number", { required: true }], ["amount", "Amount", MONEY], ["method", "By", { options: METHODS }], ["date", "Day, if not today", { type: "date" }]],
    "Take the payment",
    async (values) => told(await calls.post(`${path}/payments`, values)),
  );
  const refund = ask(
    [["receipt", "Receipt number", { required: true }], ["amount", "Amount", MONEY], ["reason", "Why", { required: true }]],
    "Give back",
    async (values) => told(await calls.post(`${path}/refunds`, values)),
  );
  return [
    head(`Account of ${patient}`),
    h("p", {}, "Owes ", amount(owed), ", has a credit of ", amount(credit), "."),
    invoices.length ? grid(
      ["Invoice", "Claim", "Of", "Share", "Paid", "Written off", "Open", ""],
      invoices.map((each) => [
        resource(each.invoice), each.kind === "S" ? "" : claimLink(each.root), each.created.slice(0, 10), amount(each.asked), amount(each.paid), amount(each.written_off), amount(each.open),
        each.open > 0 ? [
          credit > 0 ? button("Pay of the credit", () => calls.post(`${each.invoice.replace("Invoice/", "invoices/")}/credit`)) : null,
          each.kind === "S" ? button("Cancel", () => calls.post(`${each.invoice.replace("Invoice/", "invoices/")}/cancel`, { reason: reason() })) : null,
          button("Write off", () => calls.post(`${each.invoice.replace("Invoice/", "invoices/")}/write-off`, { reason: reason() })),
        ] : "",
      ]),
    ) : h("p", {}, "No invoice yet: what is paid now is kept as a credit."),
    h("h2", {}, "Take a payment"),
    pay,
    credit > 0 ? [h("h2", {}, "Give a credit back"), refund] : null,
    h("h2", {}, "At the desk"),
    paymentTable(done, false),
  ];
}

/** What was posted, then the account anew. */
function told(answer) {
  setTimeout(anew, 1500);
  return `Posted: ${answer.details.map((each) => `${each.amount} ${each.type === "advance" ? "as a credit" : `on ${each.invoice}`}`).join(", ")}.`;
}

function paymentTable(done, withPatient) {
  if (!done.length) return h("p", {}, "Nothing was paid yet.");
  return grid(
    ["Day", ...(withPatient ? ["Patient"] : []), "What", "Amount", "Written off", "", ""],
    done.map((each) => [
      each.date, ...(withPatient ? [accountLink(each.patient)] : []), each.text, amount(each.cents), each.written_off ? amount(each.written_off) : "",
      traced(`PaymentReconciliation/${each.id}`),
      each.reversed_by ? "reversed" : ["reversal", "cancellation"].includes(each.kind) ? "" : button("Reverse", () => calls.post(`payments/${each.id}/reverse`, { reason: reason() })),
    ]),
  );
}

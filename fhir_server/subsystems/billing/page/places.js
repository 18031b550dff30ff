// The places of billing: overview, what can be claimed, claims, files, work, journal.

import { h } from "../../page/dom.js";
import { ask, grid } from "../../page/screen.js";
import { calls } from "./calls.js";
import { amount, button, claimLink, reason, resource, traced } from "./parts.js";

const head = (text) => h("h1", { tabindex: "-1" }, text);

export async function overview() {
  const { trial, claims, work } = await calls.get("overview");
  const by = await calls.get("aging?by=payer");
  const patients = await calls.get("aging?by=patient");
  const ages = ["to30", "to60", "to90", "to120", "over120", "total"];
  const owed = (title, name, rows, empty) => [
    h("h2", {}, title),
    grid(
      ["Who", "to 30 days", "to 60", "to 90", "to 120", "over 120", "Total"],
      rows.map((row) => [resource(row[name]), ...ages.map((age) => amount(row[age]))]),
      empty,
    ),
  ];
  return [
    head("Billing"),
    h("p", {}, trial.sum === 0 ? "The journal balances." : `The journal is out of balance by ${trial.sum} cents.`),
    grid(["Account", "Debit", "Credit", "Balance"], trial.accounts.map((each) => [each.account, amount(each.debit), amount(each.credit), amount(each.balance)]), "Nothing has been posted yet."),
    h("h2", {}, "Claims"),
    grid(["Status", "Number", "Amount"], claims.map((each) => [each.status, each.count, amount(each.cents)]), ["No claim has been made yet. ", h("a", { href: "#/encounters" }, "What can be claimed")]),
    h("h2", {}, "Open work"),
    grid(["Kind", "Number", "Amount"], work.map((each) => [h("a", { href: `#/work/${each.kind}` }, each.kind), each.count, amount(each.cents)]), "Nothing waits."),
    owed("Owed by payers", "payer", by.rows, "No payer owes anything."),
    owed("Owed by patients", "patient", patients.rows, "No patient owes anything."),
  ];
}

export async function encounters() {
  const found = (await calls.get("encounters")).encounters;
  return [
    head("To claim"),
    grid(
      ["Encounter", "Patient", "Day", "Charges", "Amount", ""],
      found.map((each) => {
        const id = each.encounter.split("/")[1];
        return [
          h("a", { href: `#/encounters/${id}` }, each.encounter), resource(each.patient), each.date, each.charges, amount(each.cents),
          each.problems ? `${each.problems} with a problem` : "",
        ];
      }),
      ["No charge waits. A service is charged once it is completed and its code has a price: ", h("code", {}, "hms billing fees FILE")],
    ),
  ];
}

export async function encounter(id) {
  const { charges, total, insured, findings, billed } = await calls.get(`encounters/${id}`);
  const act = insured
    ? button("Make the claim", () => calls.post(`encounters/${id}/claim`), () => (location.hash = "#/claims"))
    : button("Bill the patient", () => calls.post(`encounters/${id}/invoice`), () => (location.hash = "#/payments"));
  const [type, bill] = billed.split("/");
  return [
    head(`Encounter ${id}`),
    grid(
      ["Made of", "Rule", "Code", "What", "Day", "Units", "Amount", "Problem"],
      charges.map((each) => [resource(each.source), each.rule, each.hcpcs || each.code, each.text, each.date, each.units, amount(each.cents), each.same ? ["told of twice, charged by ", resource(`ChargeItem/${each.same}`)] : each.problem]),
    ),
    h("p", {}, "Total ", amount(total)),
    h("h2", {}, "Scrub"),
    findings.length
      ? h("ul", {}, findings.map((each) => h("li", { class: each.severity }, `${each.severity} ${each.code}: ${each.text}`)))
      : h("p", {}, "Nothing to change."),
    h("p", {}, billed ? ["Billed by ", type === "Claim" ? claimLink(bill) : resource(billed)] : findings.some(({ code }) => code === "charges") ? "" : act),
  ];
}

export async function claims() {
  const found = (await calls.get("claims")).claims;
  const send = ask([["receiver", "Receiver (ISA08)", { required: true }], ["usage", "Usage", { options: ["P", "T"] }]], "Write 837 files", async (values) => {
    const { files } = await calls.post("send", values);
    return files.length ? files.map((each) => `${each.kind} ${each.control}: ${each.claims} claims`).join("; ") : "No claim waits.";
  });
  return [
    head("Claims"),
    send,
    grid(
      ["Claim", "Patient", "Payer", "Frequency", "Amount", "Status", "Made"],
      found.map((each) => [claimLink(each.id), resource(each.patient), resource(each.payer), each.frequency, amount(each.cents), each.status, each.created.slice(0, 10)]),
    ),
  ];
}

export async function claim(id) {
  const { claims: chain, journal, work } = await calls.get(`claims/${id}`);
  const act = (how, label) => button(label, () => calls.post(`claims/${id}/${how}`), () => (location.hash = "#/claims"));
  return [
    head(`Claim ${id}`),
    grid(
      ["Claim", "Frequency", "Amount", "Status", "Replaced by", "Payer", "Encounter", "File"],
      chain.map((each) => [claimLink(each.id), each.frequency, amount(each.cents), each.status, claimLink(each.replaced), resource(each.payer), resource(each.encounter), each.file ? resource(`DocumentReference/${each.file}`) : ""]),
    ),
    h("p", { class: "doing" }, resource(`Claim/${id}`), " ", traced(`Claim/${id}`), " ", act("replace", "Replace"), " ", act("void", "Void"), " ", act("secondary", "Claim from the next payer")),
    h("h2", {}, "Work"),
    workTable(work),
    h("h2", {}, "Journal"),
    entryTable(journal),
  ];
}

export async function files() {
  const found = (await calls.get("files")).files;
  const text = { rows: 6, required: true, class: "mono", spellcheck: "false" };
  const load = ask([["content", "A payer's file: 835, 999, TA1, 277CA, 271, 277", text]], "Load", async (values) => {
    const { problems, kind, control } = await calls.post("files", values);
    return problems.length ? `Set aside: ${problems.join("; ")}` : `${kind} ${control} is taken.`;
  });
  return [
    head("Files"),
    load,
    grid(
      ["File", "Kind", "Control", "Way", "State", "Amount", "Came", "Why", ""],
      found.map((each) => [resource(`DocumentReference/${each.id}`), each.kind, each.control, each.outgoing ? "sent" : "came", each.state, each.cents ? amount(each.cents) : "", each.loaded.slice(0, 16), each.problem, [
        traced(`DocumentReference/${each.id}`), " ",
        each.state === "set-aside" ? button("Post anyway", () => calls.post(`files/${each.id}/post`, { reason: reason() })) : null,
      ]]),
    ),
  ];
}

export async function work(kind = "") {
  const found = (await calls.get(`work?kind=${encodeURIComponent(kind)}`)).work;
  return [head(kind ? `Work: ${kind}` : "Work"), workTable(found)];
}

export async function letter(id) {
  const { title, text } = await calls.get(`letters/${encodeURIComponent(id)}`);
  return [
    head(title),
    h("p", {}, h("a", { href: calls.file(`letters/${encodeURIComponent(id)}/file`) }, "As a file"), " ", traced(`DocumentReference/${id}`)),
    h("pre", {}, text),
  ];
}

export async function journal() {
  const { entries } = await calls.get("journal");
  return [head("Journal"), h("p", {}, h("a", { href: calls.file("journal.csv") }, "All of it as CSV")), entryTable(entries)];
}

/** The patient's agreement, which only what is the provider's to bear (CO) needs. */
const agreement = (item) => (item.reasons.includes("CO-") ? reason("Where is the patient's agreement kept?") : "");

function workTable(items) {
  return grid(
    ["Due", "Kind", "About", "Claim", "Reasons", "Cause", "What", ""],
    items.map((each) => [
      each.deadline, each.kind, resource(each.subject), claimLink(each.claim), each.reasons, each.cause, each.text,
      each.closed ? "closed" : [
        each.kind === "denial" ? button("Appeal", () => calls.post(`work/${each.id}/appeal`, { reason: reason() }), (made) => (location.hash = `#/letters/${made.letter.split("/")[1]}`)) : null,
        each.kind === "denial" ? button("Write off", () => calls.post(`work/${each.id}/write-off`, { reason: reason() })) : null,
        each.kind === "denial" ? button("Bill the patient", () => calls.post(`work/${each.id}/bill-patient`, { reason: reason(), agreement: agreement(each) })) : null,
        button("Close", () => calls.post(`work/${each.id}/complete`, { reason: reason() })),
      ],
    ]),
    "Nothing waits.",
  );
}

function entryTable(entries) {
  return grid(
    ["Entry", "Date", "Text", "Account", "Amount", "Patient", "Payer", "From"],
    entries.flatMap((entry) =>
      entry.lines.map((line, at) => [
        at ? "" : traced(`journal/${entry.id}`, entry.id), at ? "" : entry.date.slice(0, 10), at ? "" : entry.text,
        line.account, amount(line.cents), resource(line.patient), resource(line.payer), at ? "" : resource(entry.source),
      ]),
    ),
  );
}

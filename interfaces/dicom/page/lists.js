// Worklist, quarantine, peers and jobs.
import { date, get, personName, post, value } from "./calls.js";
import { paged } from "./paged.js";
import { action, h, images, table } from "./parts.js";

export async function worklist() {
  const found = await get("api/worklist");
  const rows = found.map((item) => [
    `${date(item.date)} ${item.time.slice(0, 2)}:${item.time.slice(2, 4)}`.replace(/ :$/, ""),
    item.modality,
    item.station,
    personName(item.patient_name),
    item.patient_id,
    item.accession,
    item.procedure,
    item.priority,
  ]);
  const headings = ["When", "Modality", "Station", "Patient", "Patient ID", "Accession", "Procedure", "Priority"];
  return [h("h1", {}, "Worklist"), table(headings, rows, "Nothing is scheduled: no active order has a modality.")];
}

export async function quarantine() {
  const found = await get("api/quarantine");
  return [
    h("h1", {}, "Quarantine"),
    h("p", { class: "quiet" }, "Studies whose patient or order does not fit. Their images are kept; nobody finds them until you say whose they are."),
    ...(found.length ? found.map(held) : [h("p", {}, "Nothing is held.")]),
  ];
}

function held(study) {
  const patient = h("input", { placeholder: "Patient/17", "aria-label": "Patient", required: true });
  const order = h("input", { placeholder: "ServiceRequest/4, or empty", "aria-label": "Order" });
  return h(
    "article",
    {},
    h("h2", {}, `${personName(study.patient_name) || "No name"} ${study.patient_id}`),
    h("p", {}, `${study.reason}.`),
    h("p", { class: "quiet" }, `${date(study.date)} ${study.description} · accession ${study.accession || "none"} · ${images(study.instance_count)} of ${study.sender} · ${study.uid}`),
    h(
      "p",
      {},
      patient,
      " ",
      order,
      " ",
      action("It is this patient's", async () => {
        await post(`api/quarantine/${study.uid}`, { patient: patient.value, order: order.value });
        return "Done; its ImagingStudy follows.";
      }),
    ),
  );
}

export async function peers() {
  const found = await get("api/peers");
  const rows = found.peers.map((peer) => [
    peer.ae_title,
    `${peer.host}:${peer.port}${peer.tls ? " (TLS)" : ""}`,
    peer.issuer ?? "",
    (peer.may ?? []).join(", "),
    action("Echo", async () => `${(await post(`api/peers/${encodeURIComponent(peer.ae_title)}/echo`)).echo} ms`),
  ]);
  return [
    h("h1", {}, "Peers"),
    h("p", {}, `This archive is ${found.ae_title}. Peers are in ${found.file}.`),
    table(["AE title", "Where", "Issuer of patient ids", "May", ""], rows, "No peer is configured."),
    ...(found.peers.length ? [h("h2", {}, "Search a peer"), search(found.peers)] : []),
    h("h2", {}, "Forward rules"),
    table(
      ["To", "From", "Modalities"],
      found.forward.map((rule) => [rule.to, rule.senders.join(", ") || "all", rule.modalities.join(", ") || "all"]),
      "Nothing is forwarded.",
    ),
  ];
}

// A query of the studies of a peer (C-FIND), and a button at each to have it sent here (C-MOVE).
function search(known) {
  const peer = h("select", { "aria-label": "Peer" }, known.map((each) => h("option", {}, each.ae_title)));
  const field = (name, label) => h("input", { name, placeholder: label, "aria-label": label });
  const fields = [
    field("patient_id", "Patient ID"),
    field("patient_name", "Name, as Doe*"),
    field("date", "Date, as 20260101-"),
    field("accession", "Accession number"),
  ];
  const matches = h("div", {});
  const find = action("Search", async () => {
    const keys = Object.fromEntries(fields.filter((each) => each.value).map((each) => [each.name, each.value]));
    const title = encodeURIComponent(peer.value);
    const studies = (await post(`api/peers/${title}/find`, keys)).find;
    const rows = studies.map((study) => [
      date(value(study, "00080020")),
      value(study, "00100010"),
      value(study, "00100020"),
      value(study, "00080050"),
      value(study, "00081030"),
      action("Fetch", async () => {
        const answer = await post(`api/peers/${title}/fetch`, { study: value(study, "0020000D") });
        return `${images(answer.fetch)} sent.`;
      }),
    ]);
    const headings = ["Date", "Patient", "Patient ID", "Accession", "Study", ""];
    matches.replaceChildren(table(headings, rows, "The peer has no such study."));
    return `${studies.length} found.`;
  });
  return h("section", {}, h("p", {}, peer, " ", ...fields.flatMap((each) => [each, " "]), find), matches);
}

export async function jobs() {
  const row = (job) => [
    job.kind,
    job.key,
    job.state,
    String(job.attempts),
    job.problem,
    action("Try again", async () => (await post(`api/jobs/${job.pk}/again`), "It is tried.")),
  ];
  const headings = ["What", "Of", "State", "Attempts", "Problem", ""];
  return [h("h1", {}, "Jobs"), ...(await paged("api/jobs", headings, row, "Everything is done."))];
}

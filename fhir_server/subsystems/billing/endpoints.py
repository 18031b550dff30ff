"""The REST endpoints of billing."""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import instant
from fhir_server.subsystems.billing import actions, claiming, inquiring, ledger, sending
from fhir_server.subsystems.billing.coverages import coverages
from fhir_server.subsystems.billing.days import by_clock, today
from fhir_server.subsystems.billing.facts import rows
from fhir_server.subsystems.billing.models import SELF_PAY, STANDS
from fhir_server.subsystems.billing.scrub import Finding, texts
from fhir_server.subsystems.billing.service import Billing
from fhir_server.subsystems.endpoint import CSV, Answer, Call, Endpoint

LAST = 1000


def _all(billing: Billing, sql: str, values: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    return [dict(row) for row in rows(billing.store, sql, values)]


async def overview(billing: Billing, call: Call) -> Answer:
    """What waits, what is owed, and whether the journal balances."""
    trial = ledger.trial_balance(billing.store)
    claims = _all(
        billing, "SELECT status, count(*) count, sum(cents) cents FROM claim WHERE replaced = '' GROUP BY status"
    )
    work = _all(billing, "SELECT kind, count(*) count, sum(cents) cents FROM item WHERE closed = '' GROUP BY kind")
    return Answer({"trial": trial, "claims": claims, "work": work})


async def encounters(billing: Billing, call: Call) -> Answer:
    """Encounters with charges that are on no claim."""
    found = _all(
        billing,
        "SELECT encounter, patient, count(*) charges, sum(cents) cents, sum(problem <> '') problems, min(date) date "
        "FROM charge WHERE encounter <> '' AND same = '' AND NOT EXISTS "
        f"(SELECT 1 FROM claim c WHERE c.encounter = charge.encounter AND {STANDS}) "
        "GROUP BY encounter, patient ORDER BY date LIMIT ?",
        (LAST,),
    )
    return Answer({"encounters": found})


async def encounter(billing: Billing, call: Call) -> Answer:
    """The charges of an encounter, whether it is insured, and what the scrub says of a claim where it is."""
    reference = f"Encounter/{call.path['id']}"
    charges = claiming.charges_of(billing.store, reference)
    insured, findings = _tried(billing, reference, charges, call.now)
    total = sum(each["cents"] or 0 for each in charges if not each["same"])
    answer = {"charges": [dict(each) for each in charges], "total": total, "insured": insured}
    billed = actions.billed_by(billing, reference)
    return Answer({**answer, "findings": texts(findings), "billed": billed})


def _tried(billing: Billing, encounter: str, charges: list[Any], now: int) -> tuple[bool, list[Finding]]:
    """Whether an encounter is insured, and what there is to say of billing it."""
    if not charges:
        claiming.known_encounter(billing.store, encounter)
        return False, [Finding("error", "charges", f"Nothing to bill: {claiming.UNCHARGED}")]
    if not any(map(claiming.claimable, charges)):
        return False, [Finding("error", "charges", "Nothing can be billed yet: each charge says what it lacks.")]
    try:
        found = claiming.chargeable(billing.store, encounter)
        if not coverages(billing.store, found.patient, found.date):
            lacks = f"{found.patient} has no coverage that is active on {found.date}"
            return False, [Finding("warning", "coverage", f"{lacks}: bill the patient, or add a Coverage.")]
        trial = claiming.make(billing.store, encounter, "TRIAL", instant(now), zone=billing.zone)
        return True, actions.checked(billing, trial)
    except FhirError as problem:
        return True, [Finding("error", "claim", str(problem))]


async def claim(billing: Billing, call: Call) -> Answer:
    """Makes the claim of an encounter."""
    made = await actions.claim_encounter(billing, call.client, f"Encounter/{call.path['id']}", call.now, call.who)
    return Answer({"claim": f"Claim/{made['id']}"}, status=201)


async def bill_patient(billing: Billing, call: Call) -> Answer:
    """Bills a visit that nobody insures to the patient."""
    made = await actions.bill_patient(billing, call.client, f"Encounter/{call.path['id']}", call.now, call.who)
    return Answer({"invoice": f"Invoice/{made['id']}"}, status=201)


async def claims(billing: Billing, call: Call) -> Answer:
    """Claims, the newest first."""
    status = call.query.get("status", "")
    found = _all(
        billing,
        "SELECT * FROM claim WHERE ? IN ('', status) AND kind <> ? ORDER BY created DESC, id LIMIT ?",
        (status, SELF_PAY, LAST),
    )
    return Answer({"claims": found})


async def one_claim(billing: Billing, call: Call) -> Answer:
    """A claim with the lines of the journal, the answers and the work about it."""
    id = call.path["id"]
    found = _all(billing, "SELECT * FROM claim WHERE id = ?", (id,))
    root = found[0]["root"] if found else id
    items = _all(billing, "SELECT * FROM item WHERE claim = ? ORDER BY opened", (id,))
    answers = _all(billing, "SELECT file, date, CAST(body AS TEXT) body FROM answer WHERE claim = ?", (id,))
    if not (found or items or answers):
        raise error("not-found", f"There is no Claim/{id} of billing; GET /billing/claims lists them.")
    chain = _all(billing, "SELECT * FROM claim WHERE root = ? ORDER BY created, id", (root,))
    return Answer({"claims": chain, "journal": _entries(billing, "claim", root), "answers": answers, "work": items})


async def replace(billing: Billing, call: Call) -> Answer:
    """Replaces a claim by what is charged now (frequency 7)."""
    return await _follow(billing, call, "replace")


async def void(billing: Billing, call: Call) -> Answer:
    """Voids a claim (frequency 8)."""
    return await _follow(billing, call, "void")


async def secondary(billing: Billing, call: Call) -> Answer:
    """Claims what the first payer left from the next one."""
    return await _follow(billing, call, "secondary")


async def _follow(billing: Billing, call: Call, how: str) -> Answer:
    made = await actions.follow_up(billing, call.client, call.path["id"], how, call.now, call.who)
    return Answer({"claim": f"Claim/{made['id']}"}, status=201)


async def send(billing: Billing, call: Call) -> Answer:
    """Writes 837 files of the claims that wait."""
    usage = call.fields.get("usage") or "P"
    made = await sending.send(billing, call.client, call.required("receiver"), str(usage), call.now, call.who)
    return Answer({"files": made}, status=201 if made else 200)


async def load(billing: Billing, call: Call) -> Answer:
    """Loads a payer's file."""
    content = call.required("content").encode()
    return Answer(await actions.load(billing, call.client, content, call.now, call.who), status=202)


async def post_anyway(billing: Billing, call: Call) -> Answer:
    """Posts a file that was set aside."""
    id, reason = call.path["id"], call.required("reason")
    return Answer(await actions.post_anyway(billing, call.client, id, reason, call.now, call.who), status=202)


async def ask_eligibility(billing: Billing, call: Call) -> Answer:
    """Writes a 270."""
    patient, receiver = f"Patient/{call.path['id']}", call.required("receiver")
    made = await inquiring.ask_eligibility(billing, call.client, patient, receiver, call.now, call.who)
    return Answer(made, status=201)


async def ask_status(billing: Billing, call: Call) -> Answer:
    """Writes a 276."""
    made = await inquiring.ask_status(
        billing, call.client, call.path["id"], call.required("receiver"), call.now, call.who
    )
    return Answer(made, status=201)


async def files(billing: Billing, call: Call) -> Answer:
    """Files that were sent and came."""
    return Answer({"files": _all(billing, "SELECT * FROM file ORDER BY loaded DESC, id LIMIT ?", (LAST,))})


async def journal(billing: Billing, call: Call) -> Answer:
    """Entries of the journal."""
    for name in ("claim", "patient", "source"):
        if call.query.get(name):
            return Answer({"entries": _entries(billing, name, call.query[name])})
    return Answer({"entries": _entries(billing)})


def _entries(billing: Billing, where: str = "", value: str = "") -> list[dict[str, Any]]:
    if where == "claim":  # the lines of all that followed on one another name the first one
        value = value.removeprefix("Claim/")
        own = billing.store.row("SELECT root FROM claim WHERE id = ?", (value,))
        value = own["root"] if own else value
    found = ledger.entries(billing.store, where, value)
    return [{**each, "date": by_clock(each["date"], billing.zone)} for each in found]


async def trial(billing: Billing, call: Call) -> Answer:
    """The trial balance."""
    return Answer(ledger.trial_balance(billing.store))


async def aging(billing: Billing, call: Call) -> Answer:
    """What is owed by age."""
    by = call.query.get("by", "payer")
    if by not in ("payer", "patient"):
        raise error("value", f"by must be payer or patient, not {by[:20]!r}.", location="by")
    return Answer({"by": by, "rows": ledger.aging(billing.store, by, today(call.now, billing.zone), billing.zone)})


async def journal_csv(billing: Billing, call: Call) -> Answer:
    """The journal as CSV for the books of finance."""
    found = rows(
        billing.store,
        "SELECT e.id, e.date, e.text, e.source, account, patient, payer, claim, cents FROM journal_line l "
        "JOIN journal_entry e ON e.id = entry ORDER BY e.id, number",
    )
    lines = ["entry,date,text,source,account,patient,payer,claim,amount"]
    for row in found:
        text = '"' + row["text"].replace('"', '""') + '"'
        sign = "-" if row["cents"] < 0 else ""
        amount = f"{sign}{abs(row['cents']) // 100}.{abs(row['cents']) % 100:02}"
        lines.append(
            ",".join(
                [
                    str(row["id"]),
                    by_clock(row["date"], billing.zone),
                    text,
                    row["source"],
                    row["account"],
                    row["patient"],
                    row["payer"],
                    row["claim"],
                    amount,
                ]
            )
        )
    return Answer("\n".join([*lines, ""]).encode(), CSV, filename="journal.csv")


ENDPOINTS = (
    Endpoint("GET", "/overview", "What waits, what is owed, whether the journal balances", overview),
    Endpoint("GET", "/encounters", "Encounters with charges that are on no claim", encounters),
    Endpoint("GET", "/encounters/{id}", "An encounter's charges, and what the scrub says of them", encounter),
    Endpoint("POST", "/encounters/{id}/claim", "Lock the charges of an encounter into a claim", claim),
    Endpoint(
        "POST", "/encounters/{id}/invoice", "Bill a visit without insurance to the patient (an Invoice)", bill_patient
    ),
    Endpoint("GET", "/claims", "Claims, the newest first", claims, ("status",)),
    Endpoint("GET", "/claims/{id}", "A claim with its journal, answers and work", one_claim),
    Endpoint("POST", "/claims/{id}/replace", "Replace a claim by what is charged now (frequency 7)", replace),
    Endpoint("POST", "/claims/{id}/void", "Void a claim (frequency 8)", void),
    Endpoint("POST", "/claims/{id}/secondary", "Claim from the next payer what the first one left", secondary),
    Endpoint("POST", "/claims/{id}/status", "Ask the payer where a claim is (276)", ask_status, (), ("receiver",)),
    Endpoint(
        "POST",
        "/patients/{id}/eligibility",
        "Ask whether a patient is covered (270)",
        ask_eligibility,
        (),
        ("receiver",),
    ),
    Endpoint("POST", "/send", "Write 837 files of the claims that wait", send, (), ("receiver", "usage")),
    Endpoint("GET", "/files", "Files that were sent and came", files),
    Endpoint("POST", "/files", "Load a payer's file: 835, 999, TA1, 277CA, 271, 277", load, (), ("content",)),
    Endpoint("POST", "/files/{id}/post", "Post a file that was set aside, with a reason", post_anyway, (), ("reason",)),
    Endpoint("GET", "/journal", "Entries of the journal, the newest first", journal, ("claim", "patient", "source")),
    Endpoint("GET", "/journal.csv", "The journal as CSV", journal_csv, (), (), CSV),
    Endpoint("GET", "/trial-balance", "Debits, credits and balance of each account", trial),
    Endpoint("GET", "/aging", "What payers or patients owe, by age in days", aging, ("by",)),
)

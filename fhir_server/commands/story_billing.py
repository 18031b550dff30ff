"""The money of the story: what was done is charged, claimed, sent, acknowledged, paid and posted, and balances.

Each step looks at how far the claim is, so that a story that was told is not paid twice.
"""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

from fhir_server.commands.story_messages import admitted, visit_number
from fhir_server.core.errors import error

if TYPE_CHECKING:
    from fhir_server.commands.story import Story

FEES = "code,price,title,revenue\n80048,42.50,Basic metabolic panel,0301\n71250,310.00,CT of the chest,0351\n"
HOSPITAL = {
    "resourceType": "Organization",
    "id": "story-hospital",
    "name": "Hospital of the story",
    "address": [{"line": ["2 Main St"], "city": "Albany", "state": "NY", "postalCode": "122071234"}],
    "telecom": [{"system": "phone", "value": "(518) 555-0100"}],
    "identifier": [
        {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"},
        {"system": "urn:oid:2.16.840.1.113883.4.4", "value": "12-3456789"},
        {"system": "urn:x-hl7v2:facility", "value": "HOSPITAL"},  # PV1-39 or MSH-4 of those who send for it
    ],
}

Json = dict[str, Any]


def prices(told: Story) -> None:
    """The hospital that bills, and its prices, before the first charge."""
    from fhir_server.subsystems.billing.fees import definitions

    for each in (HOSPITAL, *definitions(FEES)):
        told.keep(each)


def charged(told: Story) -> Json:
    """The Encounter of the story, once what was done has a price and the scrub finds nothing that holds it back."""
    encounter = told.found(f"Encounter?identifier={visit_number(admitted())}&status=finished")

    def look() -> Json | None:
        found = told.seen(f"billing/encounters/{encounter['id']}")
        ready = found and len(found["charges"]) == 2 and not any(each["problem"] for each in found["charges"])
        return found if ready else None

    found = told.until("what was done is charged", look)
    for each in found["charges"]:
        told.say("charged", f"{each['text']}, {each['cents'] / 100:.2f}, by rule {each['rule']} of {each['source']}")
    wrong = [each["text"] for each in found["findings"] if each["severity"] == "error"]
    if wrong:
        raise error("conflict", f"The scrub holds the claim back: {' '.join(wrong)}")
    told.say("scrubbed", "; ".join(each["text"] for each in found["findings"]) or "nothing to change")
    return encounter


def paid(told: Story) -> Json:
    """The claim of the story as billing has it, once it is sent, acknowledged, paid and posted."""
    encounter = charged(told)

    def claims() -> list[Json]:
        found = told.ask("GET", "billing/claims")["claims"]
        return [each for each in found if each["encounter"] == f"Encounter/{encounter['id']}" and not each["replaced"]]

    if not claims():
        told.ask("POST", f"billing/encounters/{encounter['id']}/claim", {})
    claim = told.until("the claim is made", claims)[0]
    told.say("claimed", f"Claim/{claim['id']}, {claim['cents'] / 100:.2f}")
    if claim["status"] == "made":
        told.ask("POST", "billing/send", {"receiver": "PAYER", "usage": "T"})
    claim = told.until("the claim is sent", lambda: next((each for each in claims() if each["file"]), None))
    told.say("837 written", f"DocumentReference/{claim['file']}")
    from fhir_server.commands.story_payer import acknowledgement, remittance

    kept = told.ask("GET", f"fhir/DocumentReference/{claim['file']}")
    sent = base64.b64decode(kept["content"][0]["attachment"]["data"]).decode()
    control = int(time.time()) % 10**9
    if claim["status"] == "sent":
        _load(told, acknowledgement(sent, control, told.today))
        claim = told.until("the claim is acknowledged", lambda: _at(claims(), "received"))
        told.say("999 taken", f"the payer has Claim/{claim['id']}")
    if claim["status"] == "received":
        _load(told, remittance(sent, claim["id"], control + 1, told.today))
        claim = told.until("the claim is paid", lambda: _at(claims(), "paid"))
    if claim["status"] != "paid":
        raise error("conflict", f"Claim/{claim['id']} is {claim['status']}: {claim['reasons'] or 'not paid'}.")
    return claim


def balanced(told: Story, claim: Json) -> None:
    """The journal says what was paid, and balances."""
    entries = told.ask("GET", f"billing/journal?claim={claim['id']}")["entries"]
    lines = [line for entry in entries for line in entry["lines"]]
    accounts: dict[str, int] = {}
    for line in lines:
        accounts[line["account"]] = accounts.get(line["account"], 0) + line["cents"]
    if accounts.get("cash", 0) <= 0 or accounts.get("receivable") != 0:
        raise error("conflict", f"Claim/{claim['id']} is not posted as paid: {accounts}.")
    posted = ", ".join(f"{name} {cents / 100:.2f}" for name, cents in accounts.items() if cents)
    told.say("835 posted", posted)
    trial = told.ask("GET", "billing/trial-balance")
    if trial["sum"]:
        raise error("conflict", f"The journal is out of balance by {trial['sum']} cents.")
    told.say("trial balance", f"0.00 over {len(trial['accounts'])} accounts")


def counted(told: Story, claim: Json) -> None:
    """The answer of the payer is in the indicators of its month."""
    answer = told.found(f"ClaimResponse?request=Claim/{claim['id']}")
    month, reference = answer["created"][:7], f"ClaimResponse/{answer['id']}"
    for name in ("denial_rate", "days_in_receivables"):
        path = f"analytics/indicators/{name}"

        def row(path: str = path) -> list[Any] | None:
            rows = told.ask("GET", f"{path}/{month}")["rows"]
            return next((each for each in rows if str(each[0]).endswith(answer["id"])), None)

        found = told.until(f"{reference} is in the indicator {name}", row)
        value = next(each for each in told.ask("GET", path)["months"] if each["month"] == month)
        one = f"{float(found[2]):g} by {reference}"
        told.say(f"indicator {name}", f"{value['value']:g} of {value['rows']} rows, {one}")


def traced(told: Story, claim: Json) -> None:
    """From the entry of the payment back over the 835, the claim and its charges to the message."""
    entries = told.ask("GET", f"billing/journal?claim={claim['id']}")["entries"]
    posting = next(each for each in entries if each["source"].startswith("DocumentReference/"))
    start = f"journal/{posting['id']}"
    back = told.ask("GET", f"billing/trace?of={start}")["back"]
    way = []
    for wanted in ("DocumentReference/", "Claim/", "ChargeItem/", "Procedure/", "message "):
        step = next((each["reference"] for each in back if each["reference"].startswith(wanted)), None)
        if step is None:
            raise error("conflict", f"{start} can't be traced back to a {wanted.strip(' /')}.")
        way.append(step)
    told.say("traced", " <- ".join((start, *way)))


def _load(told: Story, content: str) -> None:
    said = told.ask("POST", "billing/files", {"content": content})
    if said["problems"]:
        raise error("conflict", f"The {said['kind']} of the payer is not taken: {'; '.join(said['problems'])}.")


def _at(claims: list[Json], status: str) -> Json | None:
    return next((each for each in claims if each["status"] == status), None)

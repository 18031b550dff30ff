"""The money of the story: what was done is charged; what was paid for it is posted, balances, counts and is traced."""

from __future__ import annotations

from typing import Any

from fhir_server.commands.story_messages import admitted, visit_number
from fhir_server.commands.story_telling import Json, Telling
from fhir_server.core.errors import error

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


def prices(told: Telling) -> None:
    """The hospital that bills, and its prices, before the first charge."""
    from fhir_server.subsystems.billing.fees import definitions

    for each in (HOSPITAL, *definitions(FEES)):
        told.keep(each)


def charged(told: Telling) -> Json:
    """The Encounter of the story, once what was done has a price and the scrub finds nothing that holds it back."""
    encounter = told.found(f"Encounter?identifier={visit_number(admitted())}&status=finished")

    def look() -> Json | None:
        found = told.seen(f"billing/encounters/{encounter['id']}")
        if found is None or not found["insured"] or len(found["charges"]) != 2:
            return None
        return None if any(each["problem"] for each in found["charges"]) else found

    found = told.until("what was done is charged", look)
    for each in found["charges"]:
        told.say("charged", f"{each['text']}, {each['cents'] / 100:.2f}, by rule {each['rule']} of {each['source']}")
    wrong = [each["text"] for each in found["findings"] if each["severity"] == "error"]
    if wrong:
        raise error("conflict", f"The scrub holds the claim back: {' '.join(wrong)}")
    told.say("scrubbed", "; ".join(each["text"] for each in found["findings"]) or "nothing to change")
    return encounter


def balanced(told: Telling, claim: Json) -> None:
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


def counted(told: Telling, denied: Json, paid: Json) -> None:
    """Both answers of the payer are in the indicators of their months: the one as denied, the other not."""
    _in_indicator(told, "denial_rate", denied, 1)
    _in_indicator(told, "denial_rate", paid, 0)
    _in_indicator(told, "days_in_receivables", paid)


def _in_indicator(told: Telling, name: str, claim: Json, wanted: float | None = None) -> None:
    answer = told.found(f"ClaimResponse?request=Claim/{claim['id']}")
    month, path = answer["created"][:7], f"analytics/indicators/{name}"

    def row() -> list[Any] | None:
        rows = told.ask("GET", f"{path}/{month}")["rows"]
        return next((each for each in rows if str(each[0]).endswith(answer["id"])), None)

    value = float(told.until(f"ClaimResponse/{answer['id']} is in the indicator {name}", row)[2])
    of_month = next(each for each in told.ask("GET", path)["months"] if each["month"] == month)
    if wanted is not None and (value != wanted or not of_month["value"]):
        raise error("conflict", f"Claim/{claim['id']} counts as {value:g} in the indicator {name}, not as {wanted:g}.")
    one = f"{value:g} by ClaimResponse/{answer['id']}"
    told.say(f"indicator {name}", f"{of_month['value']:g} of {of_month['rows']} rows, {one}")


def traced(told: Telling, denied: Json, paid: Json) -> None:
    """From the entry of the payment back over the 835, both claims and the charges to the message; the Task from the
    claim that was denied."""
    entries = told.ask("GET", f"billing/journal?claim={denied['id']}")["entries"]
    posting = next(each for each in entries if each["source"].startswith("DocumentReference/"))
    back = told.ask("GET", f"billing/trace?of=journal/{posting['id']}")["back"]
    claims = [f"Claim/{each['id']}" for each in (paid, denied)]
    _way(told, f"journal/{posting['id']}", back, "DocumentReference/", *claims, "ChargeItem/", "Procedure/", "message ")
    forward = told.ask("GET", f"billing/trace?of={claims[1]}")["forward"]
    _way(told, claims[1], forward, "Task/", claims[0])


def _way(told: Telling, start: str, steps: list[Json], *wanted: str) -> None:
    way = []
    for each in wanted:
        step = next((step["reference"] for step in steps if step["reference"].startswith(each)), None)
        if step is None:
            raise error("conflict", f"The trace of {start} does not lead to a {each.strip(' /')}.")
        way.append(step)
    told.say("traced", f"{start}: {', '.join(way)}")

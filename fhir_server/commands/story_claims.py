"""The claims of the story: one is denied, what it lacks comes by a message, the corrected one is paid.

Each step looks at how far a claim is, so that a story that was told is neither claimed nor paid twice.
"""

from __future__ import annotations

import base64
import time

from fhir_server.commands.story_messages import admitted, adt
from fhir_server.commands.story_telling import Json, Telling
from fhir_server.core.errors import error


def denied(told: Telling, encounter: Json) -> Json:
    """The first claim of the visit, once the payer has denied it and a Task says why and until when to act."""
    visit = f"Encounter/{encounter['id']}"
    if not _claims(told, visit):
        told.ask("POST", f"billing/encounters/{encounter['id']}/claim", {})
    claim = told.until("the claim is made", lambda: next(iter(_claims(told, visit)), None))
    claim = _answered(told, claim, "denied")
    task = told.found(f"Task?focus=Claim/{claim['id']}&code=denial")
    waiting = [each["id"] for each in told.ask("GET", "billing/work?kind=denial")["work"]]
    if not claim["replaced"] and task["id"] not in waiting:
        raise error("conflict", f"Task/{task['id']} of the denial is not in the work list.")
    why, due = task["reasonCode"]["text"], task["restriction"]["period"]["end"]
    told.say("denied", f"Task/{task['id']}: {why}, {task['businessStatus']['text']}, due {due}")
    return claim


def corrected(told: Telling, first: Json, mllp: tuple[str, int]) -> Json:
    """The claim that replaces a denied one (frequency 7), once it is paid: what it lacked came by HL7 v2."""
    told.send(mllp, adt("A08", admitted()))
    diagnosis = told.found(f"Condition?encounter={first['encounter']}&code=R05.3")
    told.say("ADT^A08 by MLLP", f"Condition/{diagnosis['id']}")
    if not first["replaced"]:
        head = told.head()
        told.until("billing knows it", lambda: told.ask("GET", "billing/state")["position"] >= head)
        told.ask("POST", f"billing/claims/{first['id']}/replace", {})
    claim = told.until("the corrected claim is made", lambda: next(
        (each for each in _claims(told, first["encounter"]) if each["prior"] == first["id"]), None))  # fmt: skip
    if claim["frequency"] != "7":
        raise error("conflict", f"Claim/{claim['id']} has the frequency {claim['frequency']}, not 7.")
    claim = _answered(told, claim, "paid")
    task = told.until("the denial is closed", lambda: told.found(f"Task?focus=Claim/{first['id']}&status=completed"))
    told.say("denial closed", f"Task/{task['id']} by Claim/{claim['id']}")
    return claim


def _answered(told: Telling, claim: Json, status: str) -> Json:
    """A claim, once it is sent, acknowledged and answered so."""
    from fhir_server.commands.story_payer import acknowledgement, remittance

    def at(*wanted: str) -> Json | None:
        found = next(each for each in _claims(told, claim["encounter"]) if each["id"] == claim["id"])
        return found if found["status"] in wanted else None

    told.say("claimed", f"Claim/{claim['id']}, {claim['cents'] / 100:.2f}, frequency {claim['frequency']}")
    if at("made"):
        told.ask("POST", "billing/send", {"receiver": "PAYER", "usage": "T"})
    file = told.until("the claim is sent", lambda: at("sent", "received", status))["file"]
    told.say("837 written", f"DocumentReference/{file}")
    kept = told.ask("GET", f"fhir/DocumentReference/{file}")
    sent = base64.b64decode(kept["content"][0]["attachment"]["data"]).decode()
    if at("sent"):
        _load(told, acknowledgement(sent, _control(), told.today))
        told.until("the claim is acknowledged", lambda: at("received"))
        told.say("999 taken", f"the payer has Claim/{claim['id']}")
    if at("received"):
        _load(told, remittance(sent, claim["id"], _control(), told.today))
    return told.until(f"the claim is {status}", lambda: at(status))


def _claims(told: Telling, visit: str) -> list[Json]:
    """The claims of a visit, the first one before those that follow on it."""
    found = [each for each in told.ask("GET", "billing/claims")["claims"] if each["encounter"] == visit]
    return sorted(found, key=lambda each: (each["prior"] != "", each["created"]))


def _control() -> int:
    """A control number of the payer: later ones are higher, and no two of one story are the same."""
    return time.time_ns() // 10**8 % 10**9


def _load(told: Telling, content: str) -> None:
    said = told.ask("POST", "billing/files", {"content": content})
    if said["problems"]:
        raise error("conflict", f"The {said['kind']} of the payer is not taken: {'; '.join(said['problems'])}.")

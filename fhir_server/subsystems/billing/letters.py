"""Letters by which a denial is appealed: what was denied and why, who asks, and the reason in the clerk's words.

A letter is a DocumentReference with plain text (rules/appeal.txt), of the claim and of the denial's Task.
"""

from __future__ import annotations

import base64
import datetime
import functools
import string
from importlib import resources
from typing import Any

from fhir_server.core.errors import error
from fhir_server.subsystems.billing.claim_data import answer_to, data_of
from fhir_server.subsystems.billing.days import day_of
from fhir_server.subsystems.billing.facts import Json, known
from fhir_server.subsystems.billing.items import reasons
from fhir_server.subsystems.billing.ledger import amount
from fhir_server.subsystems.billing.models import SYSTEM
from fhir_server.subsystems.billing.remitting import divided
from fhir_server.subsystems.store import SubsystemStore
from fhir_server.subsystems.writing import id_of
from interfaces.x12.shapes import Adjustment, ClaimAnswer, ClaimData, Party

TEXT = "text/plain"


def letter(
    store: SubsystemStore, item: Any, reason: str, who: str, now: str, zone: datetime.tzinfo = datetime.UTC
) -> Json:
    """The letter about an item of the work list (a row) that is a denial.

    now: an instant, such as that of its Task; zone: of its day.
    """
    claim = known(store, f"Claim/{item['claim']}")
    if claim is None:
        raise error("not-found", f"Claim/{item['claim']} is deleted: there is nothing to appeal.")
    content = text(data_of(store, claim, zone), *answer_to(store, item["claim"]), reason, who, day_of(now, zone))
    data = base64.b64encode(content.encode()).decode()
    return {
        "resourceType": "DocumentReference",
        "id": f"appeal-{id_of(item['id'], now)[:24]}",
        "meta": {"tag": [{"system": SYSTEM, "code": "appeal"}]},
        "status": "current",
        "type": {"coding": [{"system": f"{SYSTEM}:file", "code": "appeal"}], "text": "Appeal of a denied claim"},
        "subject": {"reference": item["patient"]},
        "date": now,
        "content": [{"attachment": {"contentType": TEXT, "data": data, "title": f"Appeal of {item['claim']}"}}],
        "context": {"related": [{"reference": f"Claim/{item['claim']}"}, {"reference": f"Task/{item['id']}"}]},
    }


def text(data: ClaimData, answer: ClaimAnswer, answered: str, reason: str, who: str, day: str) -> str:
    """What a letter says; answered: the day of the remittance, CCYYMMDD."""
    _, _, denied = divided(answer)
    patient = data.patient or data.subscriber
    days = sorted({line.date for line in data.lines})
    control = f" (your number {answer.payer_control})" if answer.payer_control else ""
    said = {
        "provider": data.billing.name, "provider_address": _address(data.billing), "npi": data.billing.id,
        "tax": data.billing.tax, "day": day, "payer": data.payer.name, "payer_address": _address(data.payer),
        "patient": f"{patient.first} {patient.name}".strip(), "born": _day(patient.born),
        "member": data.subscriber.id, "claim": data.control, "payer_control": control,
        "service": " to ".join(dict.fromkeys((_day(days[0]), _day(days[-1])))), "charged": amount(data.cents),
        "paid": amount(answer.paid), "denied": amount(sum(each.cents for each in denied)), "answered": _day(answered),
        "reasons": "\n".join(_reasons(answer)), "reason": reason, "who": who or data.billing.name,
        "phone": f" or by telephone {data.billing.phone}" if data.billing.phone else "",
    }  # fmt: skip
    return _template().substitute(said)


@functools.cache
def _template() -> string.Template:
    return string.Template((resources.files("fhir_server.subsystems.billing") / "rules" / "appeal.txt").read_text())


def _reasons(answer: ClaimAnswer) -> list[str]:
    """What was denied, line by line."""
    parts: list[tuple[str, tuple[Adjustment, ...], tuple[str, ...]]] = [
        ("The claim", answer.adjustments, answer.remarks)
    ]
    for line in answer.lines:
        code = "-".join((line.code, *line.modifiers))
        parts.append((f"{code}, charged {amount(line.charged)}", line.adjustments, line.remarks))
    causes, found = reasons()["causes"], []
    for what, adjustments, remarks in parts:
        _, _, denied = divided(ClaimAnswer("", answer.status, 0, 0, adjustments=adjustments))
        for each in denied:
            cause = f" ({causes[each.reason]})" if each.reason in causes else ""
            remark = f", remark {' '.join(remarks)}" if remarks else ""
            found.append(f"{what}: {amount(each.cents)} denied for {each.group}-{each.reason}{cause}{remark}")
    return found or ["Nothing of it is denied by a reason code."]


def _address(party: Party) -> str:
    place = party.place
    town = " ".join(filter(None, (place.city, place.state, place.zip)))
    return ", ".join(filter(None, (place.line, town))) or "(no address on file)"


def _day(value: str) -> str:
    return f"{value[:4]}-{value[4:6]}-{value[6:8]}" if len(value) >= 8 else "(unknown)"

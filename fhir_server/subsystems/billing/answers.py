"""What an 835 says as FHIR: a PaymentReconciliation of the payment, a ClaimResponse for each claim that it answers."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from fhir_server.subsystems.billing.cents import money
from fhir_server.subsystems.billing.facts import Json
from fhir_server.subsystems.billing.items import CARC, RARC
from fhir_server.subsystems.billing.models import SYSTEM
from fhir_server.subsystems.billing.remitting import refused
from interfaces.x12.shapes import ClaimAnswer

ADJUDICATION = "http://terminology.hl7.org/CodeSystem/adjudication"


def payment(file: Any, answers: list[Any]) -> Json:
    """The payment of a file (a row), with the answers in it (rows, with patient and kind of their claims)."""
    day = answers[0]["date"] if answers else file["loaded"][:10].replace("-", "")
    made: Json = {
        "resourceType": "PaymentReconciliation",
        "id": f"pay-{file['id'][4:]}",
        "meta": {"tag": [{"system": SYSTEM, "code": "payment"}]},
        "status": "active",
        "created": file["loaded"],
        "outcome": "complete",
        "paymentDate": f"{day[:4]}-{day[4:6]}-{day[6:8]}",
        "paymentAmount": money(file["cents"]),
        "paymentIdentifier": {"system": f"{SYSTEM}:trace", "value": file["trace"] or "none"},
    }
    if file["payer"].count(" ") == 0 and file["payer"]:
        made["paymentIssuer"] = {"reference": file["payer"]}
    if answers:
        made["detail"] = [
            {
                "type": {
                    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/payment-type", "code": "payment"}]
                },
                "request": {"reference": f"Claim/{row['claim']}"},
                "response": {"reference": f"ClaimResponse/{_response_id(row)}"},
                "amount": money(msgspec.json.decode(bytes(row["body"]), type=ClaimAnswer).paid),
            }
            for row in answers
        ]
    return made


def _response_id(row: Any) -> str:
    return "answer-" + hashlib.sha256(f"{row['file']}|{row['number']}".encode()).hexdigest()[:24]


def response(row: Any) -> Json:
    """An answer (a row, as above)."""
    answer = msgspec.json.decode(bytes(row["body"]), type=ClaimAnswer)
    kind = "institutional" if row["kind"] == "I" else "professional"
    day = f"{row['date'][:4]}-{row['date'][4:6]}-{row['date'][6:8]}"
    made: Json = {
        "resourceType": "ClaimResponse",
        "id": _response_id(row),
        "meta": {"tag": [{"system": SYSTEM, "code": "answer"}]},
        "status": "active",
        "use": "claim",
        "patient": {"reference": row["patient"]},
        "insurer": {"reference": row["payer"]},
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": kind}]},
        "created": day,
        "request": {"reference": f"Claim/{row['claim']}"},
        "outcome": "complete",
        "disposition": f"CLP02 {answer.status}{', denied' if refused(answer) else ''}",
        "payment": {
            "type": {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/ex-paymenttype", "code": "complete"}]
            },
            "date": day,
            "amount": money(answer.paid),
        },
        "total": [_amount("submitted", answer.charged), _amount("benefit", answer.paid)],
    }
    if answer.payer_control:
        made["identifier"] = [{"system": f"{SYSTEM}:payer-control", "value": answer.payer_control}]
    adjudication = [_adjusted(each) for each in answer.adjustments]
    if adjudication:
        made["adjudication"] = adjudication
    items = []
    for number, line in enumerate(answer.lines, 1):
        said = [
            _amount("submitted", line.charged),
            _amount("benefit", line.paid),
            *(_adjusted(each) for each in line.adjustments),
        ]
        said += [
            {"category": {"text": "remark"}, "reason": {"coding": [{"system": RARC, "code": code}]}}
            for code in line.remarks
        ]
        _, _, sequence = line.control.rpartition("-")
        items.append(
            {"itemSequence": int(sequence) if sequence.isdigit() and int(sequence) else number, "adjudication": said}
        )
    if items:
        made["item"] = items
    return made


def _amount(category: str, cents: int) -> Json:
    return {"category": {"coding": [{"system": ADJUDICATION, "code": category}]}, "amount": money(cents)}


def _adjusted(found: Any) -> Json:
    return {
        "category": {"text": f"adjustment {found.group}"},
        "reason": {"coding": [{"system": CARC, "code": found.reason}]},
        "amount": money(found.cents),
    }

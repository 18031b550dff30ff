"""Work items: what a person has to look at. Each becomes a Task, with the reasons, the cause and a deadline."""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import sqlite3
from importlib import resources
from typing import Any

from fhir_server.subsystems.billing.days import day_here
from fhir_server.subsystems.billing.models import SYSTEM

Json = dict[str, Any]

KINDS = {
    "charge": "a charge can't be priced or claimed",
    "changed": "what was claimed has been corrected or added to since",
    "deleted": "what was claimed has been deleted since",
    "rejected": "a claim was not accepted for processing",
    "denial": "a claim or a line was denied",
    "set-aside": "a file was not posted",
    "duplicate": "a file came twice",
    "unmatched": "what came is about nothing of ours",
    "overpaid": "a payer paid more than it was asked",
    "unsent": "a claim could not be written into an 837",
    "refused": "the server refused what billing wrote",
    "notice": "another system tells of a payment that was not posted so",
    "order": "an interchange came out of order",
}
BY_PERSON = "by a person"
RESOLVED = "resolved"  # code of Task.statusReason: closed by what came, not by a person
OF_ITEM = ("status", "statusReason", "description", "restriction", "reasonCode")  # of a Task that is written again
CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
RARC = "https://x12.org/codes/remittance-advice-remark-codes"


@functools.cache
def reasons() -> Json:
    """How each adjustment reason is treated (rules/reasons.json)."""
    return json.loads((resources.files("fhir_server.subsystems.billing") / "rules" / "reasons.json").read_text())


def id_of(kind: str, subject: str, detail: str = "") -> str:
    """The id of an item and of its Task."""
    return "work-" + hashlib.sha256(f"{kind}|{subject}|{detail}".encode()).hexdigest()[:24]


def open_item(
    connection: sqlite3.Connection,
    kind: str,
    subject: str,
    date: str,
    text: str,
    *,
    detail: str = "",
    patient: str = "",
    claim: str = "",
    cents: int = 0,
    codes: tuple[str, ...] = (),
    cause: str = "",
    days: int = 30,
    id: str = "",
) -> str:
    """Opens an item once for what it is about; one that was closed by itself is opened again, with a deadline anew.

    detail: what tells it apart from others about the same; id: where it is not made of kind, subject and detail.
    """
    id = id or id_of(kind, subject, detail)
    deadline = (datetime.date.fromisoformat(day_here(connection, date)) + datetime.timedelta(days=days)).isoformat()
    row = (id, kind, subject, patient, claim, cents, " ".join(codes), cause, date, deadline, text, "")
    connection.execute("INSERT OR IGNORE INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.execute(
        "UPDATE item SET cents = ?, reasons = ?, cause = ?, text = ?, "
        "deadline = CASE closed WHEN '' THEN deadline ELSE ? END, closed = '' WHERE id = ? AND closed <> ?",
        (cents, " ".join(codes), cause, text, deadline, id, BY_PERSON),
    )
    connection.execute("INSERT OR IGNORE INTO dirty VALUES ('item', ?)", (id,))
    return id


def take_task(connection: sqlite3.Connection, found: Json) -> None:
    """Takes a Task of an item in: who closes it closes the item. What was found while something was written or sent,
    which no feed tells of, is known again by its Task."""
    kind = next((each.get("code") for each in found.get("code", {}).get("coding", ())), "")
    done = _resolved(found) or BY_PERSON if found.get("status") in ("completed", "cancelled") else ""
    if kind in ("unsent", "refused"):
        subject = found.get("focus", {}).get("reference", "")
        claim = subject.partition("Claim/")[2]
        end = found.get("restriction", {}).get("period", {}).get("end", "")
        row = (found["id"], kind, subject, found.get("for", {}).get("reference", ""), claim, 0, "", "",
               found.get("authoredOn", ""), end, found.get("description", ""), done)  # fmt: skip
        connection.execute("INSERT OR IGNORE INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    if done:
        connection.execute("UPDATE item SET closed = ? WHERE id = ? AND closed = ''", (done, found["id"]))


def _resolved(task: Json) -> str:
    """What came that closed a Task, "" where a person did."""
    reason = task.get("statusReason", {})
    return reason.get("text", "") if any(each.get("code") == RESOLVED for each in reason.get("coding", ())) else ""


def _closed_by(closed: str) -> Json:
    """Task.status and statusReason of an item that is closed so, or open for ""."""
    if not closed:
        return {"status": "requested"}
    reason = {"coding": [{"system": SYSTEM, "code": RESOLVED}], "text": closed}
    return {"status": "completed", **({} if closed == BY_PERSON else {"statusReason": reason})}


def close_items(connection: sqlite3.Connection, kind: str, column: str, value: str, why: str) -> None:
    """Closes the open items of a kind about something (column: subject, claim or id)."""
    found = connection.execute(f"SELECT id FROM item WHERE kind = ? AND {column} = ? AND closed = ''", (kind, value))
    for (id,) in found.fetchall():
        connection.execute("UPDATE item SET closed = ? WHERE id = ?", (why, id))
        connection.execute("INSERT OR IGNORE INTO dirty VALUES ('item', ?)", (id,))


def is_open(connection: sqlite3.Connection, kind: str, claim: str) -> bool:
    """Whether there is an open item of a kind about a claim."""
    sql = "SELECT 1 FROM item WHERE kind = ? AND claim = ? AND closed = ''"
    return connection.execute(sql, (kind, claim)).fetchone() is not None


def reopen_items(connection: sqlite3.Connection, kind: str, claim: str) -> None:
    """Opens the items of a kind about a claim again, where what closed them was undone."""
    connection.execute(
        "INSERT OR IGNORE INTO dirty SELECT 'item', id FROM item WHERE kind = ? AND claim = ?", (kind, claim)
    )
    connection.execute("UPDATE item SET closed = '' WHERE kind = ? AND claim = ?", (kind, claim))


def task(item: Any) -> Json:
    """The Task of an item (a row)."""
    codings = []
    for code in item["reasons"].split():
        remark = code[:1].isalpha() and "-" not in code
        codings.append(
            {"coding": [{"system": RARC if remark else CARC, "code": code.rpartition("-")[2]}], "text": code}
        )
    made: Json = {
        "resourceType": "Task",
        "id": item["id"],
        "meta": {"tag": [{"system": SYSTEM, "code": "work"}]},
        **_closed_by(item["closed"]),
        "intent": "order",
        "code": {"coding": [{"system": SYSTEM, "code": item["kind"]}], "text": KINDS[item["kind"]]},
        "description": item["text"],
        "authoredOn": item["opened"],
        "restriction": {"period": {"end": item["deadline"]}},
    }
    if "/" in item["subject"]:
        made["focus"] = {"reference": item["subject"]}
    if item["patient"]:
        made["for"] = {"reference": item["patient"]}
    if item["cause"]:
        made["businessStatus"] = {"text": item["cause"]}
    if len(codings) == 1:
        made["reasonCode"] = codings[0]
    elif codings:
        made["reasonCode"] = {
            "coding": [each["coding"][0] for each in codings],
            "text": " ".join(each["text"] for each in codings),
        }
    return made

"""Files of ours, and what was said of them: TA1, 999, 277CA, 277 move claims on and are linked to what they answer."""

from __future__ import annotations

import sqlite3

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing.items import open_item
from fhir_server.subsystems.billing.received import digest_of
from interfaces.x12.acknowledgements import Acknowledged
from interfaces.x12.inquiries import ClaimStatus
from interfaces.x12.reader import read

WAITING = ("made", "sent", "received", "accepted", "rejected")  # statuses of claims that no 835 has answered


def acknowledge(connection: sqlite3.Connection, file: str, found: Acknowledged, date: str) -> None:
    """Takes in what a file says of a file or a claim of ours; an item of work where there is no such thing."""
    if found.kind == "277CA":
        claims = connection.execute("SELECT * FROM claim WHERE id = ? AND file <> ''", (found.control,)).fetchall()
        about = [f"Claim/{row['id']}" for row in claims]
        about += [f"DocumentReference/{row['file']}" for row in claims]
    else:
        sent = connection.execute(
            "SELECT id FROM file WHERE ltrim(control, '0') = ? AND outgoing = 1", (found.control,)
        ).fetchall()
        about = [f"DocumentReference/{row['id']}" for row in sent]
        claims = [
            row for each in sent for row in connection.execute("SELECT * FROM claim WHERE file = ?", (each["id"],))
        ]
    if not about:
        text = f"A {found.kind} speaks of {found.control}, which was not sent from here."
        open_item(connection, "unmatched", f"DocumentReference/{file}", date, text, detail=found.control)
    reasons = "; ".join(found.reasons)
    _link(connection, file, about, found.kind, "accepted" if found.accepted else f"not accepted: {reasons}")
    for claim in claims:
        if claim["status"] in WAITING:
            _move_on(connection, claim, found, reasons, date)


def take_status(connection: sqlite3.Connection, file: str, found: ClaimStatus) -> None:
    """Takes in where a payer says that a claim is (277)."""
    said = " ".join(found.statuses)
    if connection.execute("UPDATE claim SET reasons = ? WHERE id = ?", (said, found.trace)).rowcount:
        _link(connection, file, [f"Claim/{found.trace}"], "277", said)


def _link(connection: sqlite3.Connection, file: str, about: list[str], kind: str, said: str) -> None:
    rows = [(file, each, kind, said) for each in about]
    connection.executemany("INSERT OR REPLACE INTO acknowledged VALUES (?, ?, ?, ?)", rows)


def _move_on(connection: sqlite3.Connection, claim: sqlite3.Row, found: Acknowledged, reasons: str, date: str) -> None:
    status = "rejected" if not found.accepted else "accepted" if found.kind == "277CA" else "received"
    connection.execute(
        "UPDATE claim SET status = ?, reasons = ?, payer_control = "
        "CASE WHEN ? = '' THEN payer_control ELSE ? END WHERE id = ?",
        (status, reasons, found.payer_control, found.payer_control, claim["id"]),
    )
    if not found.accepted:
        open_item(
            connection,
            "rejected",
            f"Claim/{claim['id']}",
            date,
            f"{found.kind}: {'; '.join(found.reasons[:5]) or 'without a reason'}",
            patient=claim["patient"],
            claim=claim["id"],
            cents=claim["cents"],
            cause="not accepted",
            days=14,
        )


def take_sent(connection: sqlite3.Connection, id: str, content: bytes, date: str) -> None:
    """Takes a file of ours in, and moves the claims of an 837 on."""
    try:
        found = read(content)
    except FhirError:
        return
    first = found.interchanges[0]
    kind = next((each.name for each in found.transactions()), "?")
    row = (
        id,
        digest_of(content),
        1,
        kind,
        first.control,
        "|".join(first.sender),
        "",
        "",
        0,
        date[:10],
        date,
        "sent",
        "",
    )
    connection.execute(f"INSERT INTO file VALUES ({', '.join('?' * len(row))})", row)
    if kind.startswith("837"):
        for transaction in found.transactions():
            for loop in transaction.root.all("2300"):
                claim = loop.segment("CLM")[1]
                connection.execute(
                    "UPDATE claim SET file = ?, status = CASE status WHEN 'made' THEN 'sent' ELSE status END "
                    "WHERE id = ?",
                    (id, claim),
                )

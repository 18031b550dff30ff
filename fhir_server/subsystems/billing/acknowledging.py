"""Files of ours, and what was said of them: TA1, 999, 277CA, 277 move claims on and are linked to what they answer."""

from __future__ import annotations

import sqlite3

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing.days import day_here
from fhir_server.subsystems.billing.facts import identifier, known
from fhir_server.subsystems.billing.items import close_items, open_item
from fhir_server.subsystems.billing.models import NPI, TAX
from fhir_server.subsystems.billing.received import claim_number, digest_of
from interfaces.x12.acknowledgements import Acknowledged
from interfaces.x12.inquiries import ClaimStatus, Eligibility
from interfaces.x12.reader import read

WAITING = ("made", "sent", "received", "accepted", "rejected")  # statuses of claims that no 835 has answered


def acknowledge(connection: sqlite3.Connection, file: str, found: Acknowledged, date: str) -> None:
    """Takes in what a file says of a file or a claim of ours; an item of work where there is no such thing."""
    if found.kind == "277CA" and not found.batch:
        claims = connection.execute(
            "SELECT * FROM claim WHERE id = ? AND file <> ''", (claim_number(found.control),)
        ).fetchall()
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
        if found.provider:
            claims = [row for row in claims if found.provider in _numbers_of_provider(connection, row["id"])]
    if not about:
        _unmatched(connection, file, found.kind, found.control, "; ".join(found.reasons[:5]), date)
    reasons = "; ".join(found.reasons)
    _link(connection, file, about, found.kind, "accepted" if found.accepted else f"not accepted: {reasons}")
    for claim in claims:
        if claim["status"] in WAITING:
            _move_on(connection, claim, found, reasons, date)


def take_status(connection: sqlite3.Connection, file: str, found: ClaimStatus, date: str) -> None:
    """Takes in where a payer says that a claim is (277); an item of work where it is about no claim of ours."""
    said = " ".join(found.statuses)
    claim = claim_number(found.trace)
    if connection.execute("UPDATE claim SET reasons = ? WHERE id = ?", (said, claim)).rowcount:
        _link(connection, file, [f"Claim/{claim}"], "277", said)
    else:
        _unmatched(connection, file, "277", found.trace, said, date)


def take_eligibility(connection: sqlite3.Connection, file: str, found: Eligibility, date: str) -> None:
    """An item of work where a 271 answers no question of ours; what it answers is written by `written`."""
    if known(connection, f"CoverageEligibilityRequest/{found.trace}") is None:
        _unmatched(connection, file, "271", found.trace, " ".join(f"AAA03 {each}" for each in found.refusals), date)


def _numbers_of_provider(connection: sqlite3.Connection, claim: str) -> set[str]:
    """By what numbers the 837 knows who bills by a claim."""
    named = (known(connection, f"Claim/{claim}") or {}).get("provider", {}).get("reference", "")
    provider = known(connection, named)
    return {identifier(provider, NPI), identifier(provider, *TAX).replace("-", "")}


def _unmatched(connection: sqlite3.Connection, file: str, kind: str, about: str, said: str, date: str) -> None:
    text = f"A {kind} speaks of {about or 'nothing by a number'}, which was not sent from here" + (
        f": {said}." if said else "."
    )
    open_item(connection, "unmatched", f"DocumentReference/{file}", date, text, detail=about)


def _link(connection: sqlite3.Connection, file: str, about: list[str], kind: str, said: str) -> None:
    rows = [(file, each, kind, said) for each in about]
    connection.executemany("INSERT OR REPLACE INTO acknowledged VALUES (?, ?, ?, ?)", rows)


def _move_on(connection: sqlite3.Connection, claim: sqlite3.Row, found: Acknowledged, reasons: str, date: str) -> None:
    status = (
        "rejected" if not found.accepted else "accepted" if found.kind == "277CA" and not found.batch else "received"
    )
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
    """Takes a file of ours in, once, and moves the claims of an 837 on."""
    if connection.execute("SELECT 1 FROM file WHERE id = ?", (id,)).fetchone():
        return
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
        day_here(connection, date),
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
                close_items(connection, "unsent", "claim", claim, "sent")

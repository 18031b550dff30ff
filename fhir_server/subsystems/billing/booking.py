"""Claims in the journal: what is claimed is owed; a replacement or a void reverses what it replaces."""

from __future__ import annotations

import json
import sqlite3

from fhir_server.subsystems.billing import ledger
from fhir_server.subsystems.billing.cents import cents_of
from fhir_server.subsystems.billing.claiming import extension, sources_of
from fhir_server.subsystems.billing.facts import Json, ours, relative, survivor_of
from fhir_server.subsystems.billing.items import close_items
from fhir_server.subsystems.billing.ledger import Posting
from fhir_server.subsystems.billing.models import FREQUENCY, SYSTEM
from fhir_server.subsystems.billing.receivables import look_at_receivable


def book(connection: sqlite3.Connection, claim: Json) -> str:
    """Takes a Claim of ours in, once, whatever its version; gives the encounter that is claimed otherwise now."""
    id, date = claim["id"], claim["created"]
    if not ours(claim, "claim") or connection.execute("SELECT 1 FROM claim WHERE id = ?", (id,)).fetchone():
        return ""
    frequency = extension(claim, FREQUENCY) or "1"
    responsibility = extension(claim, f"{SYSTEM}:responsibility") or "P"
    related = claim.get("related", ())
    prior = related[0]["claim"]["reference"].rpartition("/")[2] if related else ""
    before = connection.execute("SELECT * FROM claim WHERE id = ?", (prior,)).fetchone() if prior else None
    root = before["root"] if before else id
    patient = survivor_of(connection, relative(claim["patient"]["reference"]))
    payer = relative(claim["insurer"]["reference"])
    cents = cents_of(claim["total"])
    kind = "I" if claim["type"]["coding"][0]["code"] == "institutional" else "P"
    encounter = relative(claim["item"][0]["encounter"][0]["reference"])
    connection.execute(
        "INSERT INTO claim VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            id,
            root,
            prior,
            kind,
            frequency,
            patient,
            encounter,
            payer,
            claim["insurance"][0]["coverage"]["reference"],
            responsibility,
            cents,
            claim["created"],
            json.dumps(sources_of(claim), sort_keys=True),
            "made",
            "",
            before["payer_control"] if before else "",
            "",
            "",
        ),
    )
    made_of = [(source, id) for source in {encounter, *sources_of(claim)}]
    connection.executemany("INSERT OR IGNORE INTO claimed VALUES (?, ?)", made_of)
    source = f"Claim/{id}"
    if responsibility != "P" and frequency == "8":
        _give_back(connection, prior, responsibility, date, source)
    elif responsibility != "P":
        open_cents = ledger.balance(connection, ledger.PATIENT, root)
        lines = [
            Posting(ledger.RECEIVABLE, open_cents, patient, payer, root),
            Posting(ledger.PATIENT, -open_cents, patient, "", root),
        ]
        ledger.post(connection, f"claim:{id}", date, "to the next payer", source, lines)
    else:
        if before:
            ledger.reverse(connection, f"claim:{prior}", f"claim:{prior}:reversal", date, f"replaced by {id}", source)
        if frequency != "8":
            lines = [
                Posting(ledger.RECEIVABLE, cents, patient, payer, root),
                Posting(ledger.REVENUE, -cents, patient, "", root),
            ]
            ledger.post(connection, f"claim:{id}", date, "claimed", source, lines)
    if before and responsibility == before["responsibility"]:
        connection.execute("UPDATE claim SET replaced = ? WHERE id = ?", (id, prior))
        for kind in ("denial", "rejected", "changed", "deleted"):
            close_items(connection, kind, "claim", prior, f"Claim/{id}")
    connection.execute("INSERT OR IGNORE INTO dirty SELECT 'charge', id FROM charge WHERE encounter = ?", (encounter,))
    connection.execute("INSERT OR IGNORE INTO dirty VALUES ('invoice', ?)", (root,))
    look_at_receivable(connection, root, date)
    return encounter


def _give_back(connection: sqlite3.Connection, prior: str, responsibility: str, date: str, source: str) -> None:
    """What went to the next payer by a claim, or by those that it replaced, is the patient's share again."""
    while prior:
        row = connection.execute("SELECT prior, responsibility FROM claim WHERE id = ?", (prior,)).fetchone()
        if row is None or row["responsibility"] != responsibility:
            return
        ledger.reverse(connection, f"claim:{prior}", f"claim:{prior}:reversal", date, "voided", source)
        prior = row["prior"]

"""Patients that are merged: what the one who is no more owes, has paid and has as a credit is the survivor's.

A merge redirects what refers to the patient (Claims, Coverages, payments), which the feed brings; the journal, which is
append-only, gets an entry that moves each balance. What is posted later in the name of the one who is no more, such as
a reversal of what was posted before, is the survivor's too.
"""

from __future__ import annotations

import sqlite3

from fhir_server.subsystems.billing import ledger
from fhir_server.subsystems.billing.facts import Json, relative, survivor_of
from fhir_server.subsystems.billing.ledger import Posting

TABLES = ("claim", "payment", "item", "charge")  # that name a patient


def take_merge(connection: sqlite3.Connection, patient: Json, date: str) -> set[str]:
    """Takes a Patient in who was merged into another one (Patient.link, replaced-by), nothing for any other; gives the
    encounters whose claims are of the survivor now, and the sources of charges that may be billed now."""
    survivor = next(
        (
            relative(each.get("other", {}).get("reference", ""))
            for each in patient.get("link", ())
            if each.get("type") == "replaced-by"
        ),
        "",
    )
    loser = f"Patient/{patient['id']}"
    connection.execute("DELETE FROM merged WHERE patient = ?", (loser,))
    survivor = survivor_of(connection, survivor)
    if not survivor.startswith("Patient/") or survivor == loser:
        return set()
    moved = {row[0] for row in connection.execute("SELECT encounter FROM claim WHERE patient = ?", (loser,))}
    connection.execute("INSERT OR IGNORE INTO dirty SELECT 'invoice', root FROM claim WHERE patient = ?", (loser,))
    for table in TABLES:
        connection.execute(f"UPDATE {table} SET patient = ? WHERE patient = ?", (survivor, loser))
    found = connection.execute(
        "SELECT account, payer, claim, sum(cents) FROM journal_line WHERE patient = ? "
        "GROUP BY account, payer, claim HAVING sum(cents) <> 0 ORDER BY account, payer, claim",
        (loser,),
    ).fetchall()
    lines = [
        Posting(account, cents, who, payer, claim)
        for account, payer, claim, own in found
        for who, cents in ((loser, -own), (survivor, own))
    ]
    version = patient.get("meta", {}).get("versionId", "1")
    key, text = f"merge:{loser}:{version}", f"{loser} was merged into {survivor}"
    ledger.post(connection, key, date, text, loser, lines)
    connection.execute("UPDATE merged SET survivor = ? WHERE survivor = ?", (survivor, loser))
    connection.execute("INSERT INTO merged VALUES (?, ?)", (loser, survivor))
    held = connection.execute("SELECT source FROM charge WHERE patient = ? AND problem <> ''", (survivor,))
    return moved | {row[0] for row in held}

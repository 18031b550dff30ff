"""What billing's tables know of the way from a charge to the journal, beside what Provenance tells (tracing.py)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

import msgspec

from fhir_server.subsystems.billing.facts import known
from fhir_server.subsystems.billing.models import SELF_PAY
from fhir_server.subsystems.billing.payments import INVOICE
from fhir_server.subsystems.store import SubsystemStore
from fhir_server.subsystems.tracing import Link, Ways
from interfaces.x12.shapes import ClaimAnswer

JOURNAL = "journal"  # journal/NUMBER is an entry


def ways(store: SubsystemStore, reference: str) -> Ways:
    """One step back and one forward from a resource that billing knows, or from an entry of the journal."""
    type, _, id = reference.partition("/")
    return Ways(tuple(_back(store, type, id)), tuple(_forward(store, type, id)))


def _back(store: SubsystemStore, type: str, id: str) -> Iterator[Link]:
    if type == JOURNAL:
        yield from _entry(store, id)
    elif type in ("Claim", "Invoice"):
        yield from _made_of(store, id.removeprefix(INVOICE))
    elif type == "ChargeItem":
        charge = store.row("SELECT * FROM charge WHERE id = ? AND definition <> ''", (id,))
        if charge is not None:
            yield Link(charge["definition"], "priced", _money(charge["cents"]))
        for other in store.rows("SELECT id, source FROM charge WHERE same = ? AND same <> '' ORDER BY source", (id,)):
            yield Link(other["source"], "told of too", "the same service, charged once")
    elif type == "ClaimResponse":
        claim = (known(store, f"ClaimResponse/{id}") or {}).get("request", {}).get("reference", "")
        if claim:
            yield Link(claim, "answers", "")
    elif type == "PaymentReconciliation":
        for row in store.rows(
            "SELECT DISTINCT claim.id, claim.kind FROM journal_line JOIN journal_entry e ON entry = e.id "
            "JOIN claim ON claim.id = claim WHERE e.source = ? ORDER BY claim.id",
            (f"PaymentReconciliation/{id}",),
        ):
            yield Link(_bill(row), "is about", "at the desk")
    elif type == "Task":
        item = store.row("SELECT subject, kind, text FROM item WHERE id = ?", (id,))
        if item is not None:
            yield Link(item["subject"], item["kind"], item["text"])
    elif type == "DocumentReference":
        for row in store.rows("SELECT claim, body FROM answer WHERE file = ? ORDER BY number", (id,)):
            answer = msgspec.json.decode(bytes(row["body"]), type=ClaimAnswer)
            yield Link(f"Claim/{row['claim']}", "answers", f"paid {_money(answer.paid)}, CLP02 {answer.status}")
        for row in store.rows("SELECT * FROM acknowledged WHERE file = ? ORDER BY about", (id,)):
            yield Link(row["about"], f"{row['kind']} answers", row["said"])


def _entry(store: SubsystemStore, id: str) -> Iterator[Link]:
    entry = store.row("SELECT * FROM journal_entry WHERE CAST(id AS TEXT) = ?", (id,))
    if entry is None:
        return
    yield Link(entry["source"], entry["text"], f"posted {entry['date'][:10]}, {_lines(store, entry)}")
    if entry["reverses"]:
        before = store.row("SELECT id FROM journal_entry WHERE key = ?", (entry["reverses"],))
        if before is not None:
            yield Link(f"{JOURNAL}/{before['id']}", "reverses", "")


def _made_of(store: SubsystemStore, id: str) -> Iterator[Link]:
    claim = store.row("SELECT * FROM claim WHERE id = ?", (id,))
    if claim is None:
        return
    versions = json.loads(claim["sources"])
    for charge in store.rows("SELECT * FROM charge WHERE encounter = ? ORDER BY date, id", (claim["encounter"],)):
        if charge["source"] in versions:
            said = f"{charge['text']}, {_money(charge['cents'])}, rule {charge['rule']}"
            yield Link(f"ChargeItem/{charge['id']}", "charges", said)
    yield Link(claim["encounter"], "visit", "")
    if claim["coverage"]:
        yield Link(claim["coverage"], "insured by", "")
    if claim["prior"]:
        yield Link(f"Claim/{claim['prior']}", f"frequency {claim['frequency']}", "follows on it")


def _forward(store: SubsystemStore, type: str, id: str) -> Iterator[Link]:
    reference = f"{type}/{id}"
    if type == "Encounter":
        yield from _claims(store, "SELECT * FROM claim WHERE encounter = ? ORDER BY created, id", reference)
    elif type == "ChargeItem":
        sql = (
            "SELECT claim.* FROM claim JOIN claimed ON claimed.claim = claim.id "
            "JOIN charge ON charge.source = claimed.source WHERE charge.id = ? ORDER BY created, claim.id"
        )
        yield from _claims(store, sql, id)
    elif type in ("Claim", "Invoice", "DocumentReference", "PaymentReconciliation"):
        if type in ("Claim", "Invoice"):
            id = id.removeprefix(INVOICE)
            yield from _claims(store, "SELECT * FROM claim WHERE prior = ? ORDER BY created, id", id)
            for row in store.rows("SELECT DISTINCT file FROM answer WHERE claim = ? ORDER BY date, file", (id,)):
                yield Link(f"DocumentReference/{row['file']}", "answered", "835")
            sql = (
                "SELECT DISTINCT source, text FROM journal_entry JOIN journal_line ON entry = id "
                "WHERE claim = ? AND (key LIKE 'payment:%' OR key LIKE 'denial:%') ORDER BY id"
            )
            for row in store.rows(sql, (id,)):
                yield Link(row["source"], row["text"], "at the desk")
        for row in store.rows("SELECT * FROM acknowledged WHERE about = ? ORDER BY file", (reference,)):
            yield Link(f"DocumentReference/{row['file']}", f"answered by {row['kind']}", row["said"])
        for item in store.rows("SELECT id, kind, text FROM item WHERE subject = ? ORDER BY id", (reference,)):
            yield Link(f"Task/{item['id']}", item["kind"], item["text"])
        for entry in store.rows("SELECT * FROM journal_entry WHERE source = ? ORDER BY id", (reference,)):
            yield Link(f"{JOURNAL}/{entry['id']}", entry["text"], _lines(store, entry))


def _claims(store: SubsystemStore, sql: str, value: str) -> Iterator[Link]:
    for row in store.rows(sql, (value,)):
        invoiced = row["kind"] == SELF_PAY
        said = _money(row["cents"]) if invoiced else f"{_money(row['cents'])}, frequency {row['frequency']}"
        yield Link(_bill(row), "billed to the patient" if invoiced else "claimed", said)


def _bill(claim: sqlite3.Row) -> str:
    return f"Invoice/{INVOICE}{claim['id']}" if claim["kind"] == SELF_PAY else f"Claim/{claim['id']}"


def _lines(store: SubsystemStore, entry: sqlite3.Row) -> str:
    lines = store.rows("SELECT account, cents FROM journal_line WHERE entry = ? ORDER BY number", (entry["id"],))
    return ", ".join(f"{line['account']} {_money(line['cents'])}" for line in lines)


def _money(cents: int | None) -> str:
    return "without a price" if cents is None else f"{cents / 100:.2f}"

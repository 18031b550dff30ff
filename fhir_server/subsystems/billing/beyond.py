"""What a payer after the first one writes off of a claim: no more than what the payers before it have left.

Such a payer often states its contractual adjustment (CO-45) of the whole charge, which the payers before it have
settled already. What it writes off beyond what is left is given back by an entry of its own, which is looked at again
whenever that payer answers or takes an answer back, so that files may come in any order.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from fhir_server.subsystems.billing import ledger
from fhir_server.subsystems.billing.ledger import Posting

KEY = "beyond"  # before the keys of these entries


class Left(NamedTuple):
    """Of what a payer's answers to a claim, by its root, take off: of what owner, a payer, owes, "" for the patient."""

    root: str
    payer: str
    owner: str


def limit(connection: sqlite3.Connection, of: Left, patient: str, key: str, date: str, source: str) -> None:
    """Gives back what a payer wrote off beyond what was left, or takes that back where it is no longer beyond."""
    account = ledger.RECEIVABLE if of.owner else ledger.PATIENT
    given = -_sum(connection, "account = ? AND l.payer = ? AND e.key LIKE ?", of.root, ledger.CONTRACTUAL, of.payer,
                  f"{KEY}:%")  # fmt: skip
    written_off = _sum(connection, "account = ? AND l.payer = ?", of.root, ledger.CONTRACTUAL, of.payer) + given
    of_account = "account = ? AND l.payer = ? AND e.key NOT LIKE 'credit:%'"  # that empties what was paid beyond it
    left = _sum(connection, of_account, of.root, account, of.owner) - given
    more = max(0, min(-left, written_off)) - given
    lines = [
        Posting(account, more, patient, of.owner, of.root),
        Posting(ledger.CONTRACTUAL, -more, patient, of.payer, of.root),
    ]
    ledger.post(connection, f"{KEY}:{key}:{of.payer}", date, "written off beyond what was left", source, lines)


def _sum(connection: sqlite3.Connection, condition: str, root: str, *values: str) -> int:
    sql = "SELECT coalesce(sum(cents), 0) FROM journal_line l JOIN journal_entry e ON e.id = entry WHERE claim = ? AND "
    return connection.execute(sql + condition, (root, *values)).fetchone()[0]

"""The journal: double entry, append-only, whole cents; a debit is positive, a credit negative."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from fhir_server.subsystems.billing.days import day_of
from fhir_server.subsystems.billing.facts import survivor_of
from fhir_server.subsystems.store import SubsystemStore

RECEIVABLE, PATIENT, REVENUE, CASH = "receivable", "patient-receivable", "revenue", "cash"
CONTRACTUAL, PROVIDER, UNAPPLIED = "contractual", "provider-adjustment", "unapplied"
CREDIT, WRITTEN_OFF, DENIED = "patient-credit", "written-off", "denied"
BUCKETS = (30, 60, 90, 120)  # days


class Posting(NamedTuple):
    """One line of an entry."""

    account: str
    cents: int
    patient: str = ""
    payer: str = ""
    claim: str = ""


def post(
    connection: sqlite3.Connection, key: str, date: str, text: str, source: str, lines: Sequence[Posting],
    reverses: str = "",
) -> bool:  # fmt: skip
    """Adds an entry once for its key; lines of nothing are left out, and an entry without lines is none.

    Lines of a patient who was merged are the survivor's.

    sqlite3.IntegrityError where it does not balance.
    """
    lines = [line for line in lines if line.cents]
    if not lines or connection.execute("SELECT 1 FROM journal_entry WHERE key = ?", (key,)).fetchone():
        return False
    now = {patient: survivor_of(connection, patient) for patient in {line.patient for line in lines}}
    id = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM journal_entry").fetchone()[0]
    connection.executemany(
        "INSERT INTO journal_line VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (id, at, line.account, now[line.patient], line.payer, line.claim, line.cents)
            for at, line in enumerate(lines, 1)
        ],
    )
    connection.execute("INSERT INTO journal_entry VALUES (?, ?, ?, ?, ?, ?)", (id, key, date, text, source, reverses))
    return True


def reverse(connection: sqlite3.Connection, key: str, new: str, date: str, text: str, source: str) -> bool:
    """Adds the opposite of an entry; nothing where there is none."""
    rows = connection.execute(
        "SELECT account, -cents, patient, payer, claim FROM journal_line JOIN journal_entry e ON e.id = entry "
        "WHERE e.key = ? ORDER BY number", (key,),
    ).fetchall()  # fmt: skip
    return post(connection, new, date, text, source, [Posting(*row) for row in rows], key)


def balance(store: SubsystemStore | sqlite3.Connection, account: str, claim: str) -> int:
    """What is on an account for a claim."""
    sql = "SELECT coalesce(sum(cents), 0) FROM journal_line WHERE claim = ? AND account = ?"
    if isinstance(store, sqlite3.Connection):
        return store.execute(sql, (claim, account)).fetchone()[0]
    row = store.row(sql, (claim, account))
    return row[0] if row else 0


def owed(connection: sqlite3.Connection, claim: str, payer: str) -> int:
    """What a payer owes of a claim, by the claim's root."""
    sql = "SELECT coalesce(sum(cents), 0) FROM journal_line WHERE claim = ? AND account = ? AND payer = ?"
    return connection.execute(sql, (claim, RECEIVABLE, payer)).fetchone()[0]


def amount(cents: int) -> str:
    """Cents as an amount, 12.50."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"


def trial_balance(store: SubsystemStore) -> dict[str, Any]:
    """Each account's debits, credits and balance, and the sum of all, which is 0."""
    rows = store.rows(
        "SELECT account, sum(max(cents, 0)) debit, -sum(min(cents, 0)) credit, sum(cents) balance "
        "FROM journal_line GROUP BY account ORDER BY account"
    )
    return {"accounts": [dict(row) for row in rows], "sum": sum(row["balance"] for row in rows)}


def aging(store: SubsystemStore, by: str, today: str, zone: datetime.tzinfo = datetime.UTC) -> list[dict[str, Any]]:
    """What is owed by each payer or patient (by), by days since the claim was made: up to 30, 60, 90, 120, more."""
    account = RECEIVABLE if by == "payer" else PATIENT
    column = "l.payer" if by == "payer" else "l.patient"
    rows = store.rows(
        f"SELECT {column} who, sum(l.cents) cents, coalesce(c.created, ?) created FROM journal_line l "
        "LEFT JOIN claim c ON c.id = l.claim WHERE l.account = ? GROUP BY 1, l.claim HAVING sum(l.cents) <> 0 "
        "ORDER BY 1, l.claim",
        (today, account),
    )
    day = datetime.date.fromisoformat
    made: dict[str, dict[str, Any]] = {}
    for row in rows:
        of = made.setdefault(row["who"], {by: row["who"], "total": 0, **dict.fromkeys(_NAMES, 0)})
        of["total"] += row["cents"]
        days = (day(today) - day(day_of(row["created"], zone))).days
        of[_NAMES[sum(days > limit for limit in BUCKETS)]] += row["cents"]
    return list(made.values())


_NAMES = ("to30", "to60", "to90", "to120", "over120")


def entries(store: SubsystemStore, where: str = "", value: str = "", last: int = 200) -> list[dict[str, Any]]:
    """Entries with their lines, the newest first; where: claim, patient or source, with its value."""
    condition, values = "", []
    if where in ("claim", "patient"):
        condition, values = f"WHERE id IN (SELECT entry FROM journal_line WHERE {where} = ?)", [value]
    elif where == "source":
        condition, values = "WHERE source = ?", [value]
    found = store.rows(f"SELECT * FROM journal_entry {condition} ORDER BY id DESC LIMIT ?", [*values, last])
    made = []
    for row in found:
        lines = store.rows(
            "SELECT account, cents, patient, payer, claim FROM journal_line WHERE entry = ? ORDER BY number",
            (row["id"],),
        )
        made.append({**dict(row), "lines": [dict(line) for line in lines]})
    return made

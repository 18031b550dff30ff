"""Files that come in: an 835 is posted as a whole or set aside as a whole; acknowledgements move claims on.

Posting rule: BPR02 is the sum of CLP04 less PLB, each claim balances, the payer is known, and neither the file nor the
payment was posted before (X221, section 1.10.2). A person may have posted what does not add up, or seems to be posted
already: the file comes once more, as a DocumentReference that replaces the first one and says why.
"""

from __future__ import annotations

import sqlite3
import zlib

from fhir_server.subsystems.billing.acknowledging import acknowledge, take_eligibility, take_sent, take_status
from fhir_server.subsystems.billing.days import day_here
from fhir_server.subsystems.billing.facts import Connection, Json, ours, rows
from fhir_server.subsystems.billing.items import close_items, open_item
from fhir_server.subsystems.billing.received import Understood, text_of, understand
from fhir_server.subsystems.billing.remitting import post
from interfaces.x12.shapes import Remittance


def take_file(connection: sqlite3.Connection, id: str, document: Json, date: str) -> None:
    """Takes a DocumentReference with a file in, once."""
    if connection.execute("SELECT 1 FROM file WHERE id = ?", (id,)).fetchone():
        return
    content = text_of(document)
    if ours(document, "outgoing"):
        take_sent(connection, id, content, document.get("date", date))
        return
    found = understand(content)
    day = day_here(connection, date)
    row = [id, found.digest, 0, found.kind, found.control, found.sender, "", "", 0, day, date, "", ""]
    subject = f"DocumentReference/{id}"
    replaced = replaced_by(document)
    first = connection.execute(
        "SELECT id, loaded FROM file WHERE digest = ? AND outgoing = 0 AND state NOT IN ('duplicate', 'replaced') "
        "AND NOT (state = 'set-aside' AND id = ?)",
        (found.digest, replaced),
    ).fetchone()
    if first is not None:
        row[11:] = [
            "duplicate",
            f"the same file came on {day_here(connection, first['loaded'])} as {first['id']}; it was not posted again",
        ]
        open_item(connection, "duplicate", subject, date, row[12])
    connection.execute(f"INSERT INTO file VALUES ({', '.join('?' * 13)})", row)
    if first is None:
        _post_or_set_aside(connection, id, found, date, replaced)


def replaced_by(document: Json) -> str:
    """The id of the file that was set aside, and that a person has posted by this one; "" for any other."""
    for each in document.get("relatesTo", ()):
        if each.get("code") == "replaces":
            return each.get("target", {}).get("reference", "").partition("DocumentReference/")[2]
    return ""


def try_again(connection: sqlite3.Connection, load: dict[str, Json]) -> None:
    """Looks once more at what was set aside: the payer may be known by now. load: file id -> DocumentReference."""
    for id, document in load.items():
        row = connection.execute("SELECT loaded FROM file WHERE id = ? AND state = 'set-aside'", (id,)).fetchone()
        if row is not None:
            found = understand(text_of(document))
            _post_or_set_aside(connection, id, found, row["loaded"], replaced_by(document))


def hindrances(connection: Connection, found: Understood) -> tuple[list[str], list[str], list[str]]:
    """Why a file can't be posted, why it must not be unless a person says so, and who pays each of its payments."""
    problems = list(found.problems)
    payers = []
    for each in found.remittances:
        payer = _payer(connection, each)
        payers.append(payer)
        if not payer:
            problems.append(
                f"the payer {each.payer.name} ({each.payer.id or each.payer.tax}) "
                "is unknown: give an Organization this identifier"
            )
    doubts = [*found.doubts, *_posted_before(connection, found, payers), *_used_before(connection, found)]
    return problems, doubts, payers


def _post_or_set_aside(
    connection: sqlite3.Connection, id: str, found: Understood, date: str, replaced: str = ""
) -> None:
    problems, doubts, payers = hindrances(connection, found)
    if not replaced:
        problems += doubts
    subject = f"DocumentReference/{id}"
    if problems:
        text = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        connection.execute("UPDATE file SET state = 'set-aside', problem = ? WHERE id = ?", (text, id))
        open_item(connection, "set-aside", subject, date, f"Not posted: {text}")
        return
    _number(connection, id, found, date)
    for number, (each, payer) in enumerate(zip(found.remittances, payers, strict=True)):
        if each.trace:
            connection.execute("INSERT OR IGNORE INTO remitted VALUES (?, ?, ?)", (payer, each.trace, id))
        post(connection, id, number, each, payer, date)
    for each in found.answers:
        acknowledge(connection, id, each, date)
    for status in found.statuses:
        take_status(connection, id, status, date)
    for answer in found.eligibilities:
        take_eligibility(connection, id, answer, date)
    traces = " ".join(each.trace for each in found.remittances)
    cents = sum(each.amount for each in found.remittances)
    state = "posted" if found.remittances else "read"
    despite = f"posted in spite of: {'; '.join(doubts[:5])}" if doubts else ""
    connection.execute(
        "UPDATE file SET state = ?, problem = ?, trace = ?, payer = ?, cents = ? WHERE id = ?",
        (state, despite, traces, " ".join(sorted(set(payers))), cents, id),
    )
    if replaced:
        connection.execute(
            "UPDATE file SET state = 'replaced', problem = ? WHERE id = ?", (f"posted as {id}", replaced)
        )
        close_items(connection, "set-aside", "subject", f"DocumentReference/{replaced}", f"posted as {id}")
    connection.execute("INSERT OR IGNORE INTO dirty VALUES ('file', ?)", (id,))
    close_items(connection, "set-aside", "subject", subject, "posted")


def _payer(connection: Connection, found: Remittance) -> str:
    for value in (found.payer.id, found.payer.tax, found.payer.tax.lstrip("0")):
        [row] = rows(connection, "SELECT min(reference) FROM payer WHERE value = ?", (value,))
        if value and row[0]:
            return row[0]
    return ""


def _posted_before(connection: Connection, found: Understood, payers: list[str]) -> list[str]:
    """A payment, by its payer and trace number, may come once: in any file, and in this one."""
    problems, here = [], set()
    for each, payer in zip(found.remittances, payers, strict=True):
        payment = (payer, each.trace)
        for row in rows(connection, "SELECT file FROM remitted WHERE payer = ? AND trace = ?", payment):
            problems.append(f"payment {each.trace} of this payer was posted before, by {row['file']}")
        if each.trace and payment in here:
            problems.append(f"payment {each.trace} of this payer comes twice in this file (TRN02)")
        here.add(payment)
    return problems


def _used_before(connection: Connection, found: Understood) -> list[str]:
    """A control number may come once of a sender: in any file, and in this one."""
    problems, here = [], set()
    for sender, control in found.interchanges:
        number = (sender, _value(control))
        for row in rows(connection, "SELECT file FROM interchange WHERE sender = ? AND control = ?", number):
            problems.append(f"interchange control number {control} of this sender was used before, by {row['file']}")
        if number in here:
            problems.append(f"interchange control number {control} of this sender comes twice in this file (ISA13)")
        here.add(number)
    return problems


def _number(connection: sqlite3.Connection, id: str, found: Understood, date: str) -> None:
    """Keeps the control numbers of a file; one below an earlier one of its sender is told, as one may be missing."""
    for sender, control in found.interchanges:
        last = connection.execute("SELECT max(control) FROM interchange WHERE sender = ?", (sender,)).fetchone()[0]
        if last is not None and _value(control) < last:
            text = f"Interchange {control} came after {last:09} of the same sender; it was taken."
            open_item(connection, "order", f"DocumentReference/{id}", date, text)
        connection.execute("INSERT OR IGNORE INTO interchange VALUES (?, ?, ?)", (sender, _value(control), id))


def _value(control: str) -> int:
    """A control number as a number: below nothing for one that is none, as ISA13 should be."""
    return int(control) if control.isascii() and control.isdigit() else -1 - zlib.crc32(control.encode())

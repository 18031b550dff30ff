"""Files that come in: an 835 is posted as a whole or set aside as a whole; acknowledgements move claims on.

Posting rule: BPR02 is the sum of CLP04 less PLB, each claim balances, the payer is known, and neither the file nor the
payment was posted before (X221, section 1.10.2).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from fhir_server.subsystems.billing import ledger
from fhir_server.subsystems.billing.acknowledging import acknowledge, take_sent, take_status
from fhir_server.subsystems.billing.facts import Json, ours
from fhir_server.subsystems.billing.items import close_items, open_item, reasons
from fhir_server.subsystems.billing.ledger import Posting
from fhir_server.subsystems.billing.models import SELF_PAY
from fhir_server.subsystems.billing.payments import credit
from fhir_server.subsystems.billing.received import Understood, text_of, understand
from interfaces.x12.shapes import Adjustment, ClaimAnswer, Remittance

encode = msgspec.json.encode
DENIED, REVERSED = "4", "22"


def take_file(connection: sqlite3.Connection, id: str, document: Json, date: str) -> None:
    """Takes a DocumentReference with a file in, once."""
    if connection.execute("SELECT 1 FROM file WHERE id = ?", (id,)).fetchone():
        return
    content = text_of(document)
    if ours(document, "outgoing"):
        take_sent(connection, id, content, date)
        return
    found = understand(content)
    row = [id, found.digest, 0, found.kind, found.control, found.sender, "", "", 0, date[:10], date, "", ""]
    subject = f"DocumentReference/{id}"
    first = connection.execute(
        "SELECT id, loaded FROM file WHERE digest = ? AND outgoing = 0 AND state <> 'duplicate'", (found.digest,)
    ).fetchone()
    if first is not None:
        row[11:] = [
            "duplicate",
            f"the same file came on {first['loaded'][:10]} as {first['id']}; it was not posted again",
        ]
        open_item(connection, "duplicate", subject, date, row[12])
    connection.execute(f"INSERT INTO file VALUES ({', '.join('?' * 13)})", row)
    if first is None:
        _post_or_set_aside(connection, id, found, date)


def try_again(connection: sqlite3.Connection, load: dict[str, bytes]) -> None:
    """Looks once more at what was set aside: the payer may be known by now. load: file id -> content."""
    for id, content in load.items():
        row = connection.execute("SELECT loaded FROM file WHERE id = ? AND state = 'set-aside'", (id,)).fetchone()
        if row is not None:
            _post_or_set_aside(connection, id, understand(content), row["loaded"])


def _post_or_set_aside(connection: sqlite3.Connection, id: str, found: Understood, date: str) -> None:
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
        problems += _posted_before(connection, id, each, payer)
    if found.control and not problems:
        problems += _control(connection, id, found, date)
    subject = f"DocumentReference/{id}"
    if problems:
        text = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        connection.execute("UPDATE file SET state = 'set-aside', problem = ? WHERE id = ?", (text, id))
        open_item(connection, "set-aside", subject, date, f"Not posted: {text}")
        return
    for number, (each, payer) in enumerate(zip(found.remittances, payers, strict=True)):
        _post(connection, id, number, each, payer, date)
    for each in found.answers:
        acknowledge(connection, id, each, date)
    for status in found.statuses:
        take_status(connection, id, status)
    traces = " ".join(each.trace for each in found.remittances)
    cents = sum(each.amount for each in found.remittances)
    state = "posted" if found.remittances else "read"
    connection.execute(
        "UPDATE file SET state = ?, problem = '', trace = ?, payer = ?, cents = ? WHERE id = ?",
        (state, traces, " ".join(sorted(set(payers))), cents, id),
    )
    connection.execute("INSERT OR IGNORE INTO dirty VALUES ('file', ?)", (id,))
    close_items(connection, "set-aside", "subject", subject, "posted")


def _payer(connection: sqlite3.Connection, found: Remittance) -> str:
    for value in (found.payer.id, found.payer.tax, found.payer.tax.lstrip("0")):
        row = connection.execute("SELECT min(reference) FROM payer WHERE value = ?", (value,)).fetchone()
        if value and row[0]:
            return row[0]
    return ""


def _posted_before(connection: sqlite3.Connection, id: str, found: Remittance, payer: str) -> list[str]:
    row = connection.execute(
        "SELECT id FROM file WHERE id <> ? AND state = 'posted' AND payer = ? AND ' ' || trace || ' ' LIKE ?",
        (id, payer, f"% {found.trace} %"),
    ).fetchone()
    return [f"payment {found.trace} of this payer was posted before, by {row['id']}"] if row and found.trace else []


def _control(connection: sqlite3.Connection, id: str, found: Understood, date: str) -> list[str]:
    """A control number may come once; one below an earlier one is taken, but told."""
    numbers = [
        int(row[0])
        for row in connection.execute(
            "SELECT control FROM file WHERE sender = ? AND id <> ? AND outgoing = 0 AND state IN ('posted', 'read')",
            (found.sender, id),
        )
        if row[0].isdigit()
    ]
    own = int(found.control) if found.control.isdigit() else -1
    if own in numbers:
        return [f"interchange control number {found.control} of this sender was used before, by another file"]
    if numbers and own < max(numbers):
        text = f"Interchange {found.control} came after {max(numbers):09} of the same sender; it was taken."
        open_item(connection, "order", f"DocumentReference/{id}", date, text)
    return []


# ---------------------------------------------------------------------- what an 835 says in the journal
def _post(connection: sqlite3.Connection, file: str, number: int, found: Remittance, payer: str, date: str) -> None:
    source = f"DocumentReference/{file}"
    answered: list[sqlite3.Row] = []
    for place, claim in enumerate(found.claims):
        key = f"835:{file}:{number}:{place}"
        own = connection.execute("SELECT * FROM claim WHERE id = ? AND kind <> ?", (claim.control, SELF_PAY)).fetchone()
        if own is None:
            text = f"{found.payer.name} paid {claim.paid / 100:.2f} for {claim.control}, which is no claim of ours."
            lines = [Posting(ledger.CASH, claim.paid, "", payer), Posting(ledger.UNAPPLIED, -claim.paid, "", payer)]
            ledger.post(connection, key, date, f"unknown claim {claim.control}", source, lines)
            open_item(connection, "unmatched", source, date, text, detail=claim.control, cents=claim.paid)
            continue
        answered.append(own)
        entry = f"answer {number}.{place}"
        connection.execute(
            "INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?, ?)",
            (file, number * 100_000 + place, own["id"], found.date, encode(claim)),
        )
        written_off, patient, denied = divided(claim)
        root, who = own["root"], own["patient"]
        lines = [
            Posting(ledger.CASH, claim.paid, who, payer, root),
            Posting(ledger.CONTRACTUAL, written_off, who, payer, root),
            Posting(ledger.PATIENT, patient, who, "", root),
            Posting(ledger.RECEIVABLE, -(claim.paid + written_off + patient), who, own["payer"], root),
        ]
        ledger.post(connection, key, date, f"{entry} of {found.trace}", source, lines)
        _settle(connection, own, claim, denied, date)
    for root in dict.fromkeys(own["root"] for own in answered):
        credit(connection, f"credit:{file}:{number}:{root}", root, date, source)
    kept = sum(each.cents for each in found.provider)
    why = ", ".join(f"{each.reason} {each.reference}".strip() for each in found.provider)
    lines = [Posting(ledger.PROVIDER, kept, "", payer), Posting(ledger.CASH, -kept, "", payer)]
    ledger.post(connection, f"835:{file}:{number}:PLB", date, f"kept back: {why}", source, lines)


def divided(claim: ClaimAnswer) -> tuple[int, int, list[Adjustment]]:
    """What is written off, what the patient owes, and what was denied and stays owed by the payer."""
    table = reasons()
    written_off = patient = 0
    denied = []
    for each in claim.all_adjustments():
        if each.group == "PR":
            patient += each.cents
        elif each.reason in table["prior"] and each.group == "OA":
            continue
        elif claim.status != DENIED and each.reason in table["contractual"]:
            written_off += each.cents
        else:
            denied.append(each)
    return written_off, patient, denied


def _settle(
    connection: sqlite3.Connection, own: sqlite3.Row, claim: ClaimAnswer, denied: Sequence[Adjustment], date: str
) -> None:
    refused = claim.status == DENIED or (claim.paid == 0 and bool(denied))
    status = "reversed" if claim.status == REVERSED else "denied" if refused else "partly denied" if denied else "paid"
    connection.execute(
        "UPDATE claim SET status = ?, payer_control = CASE WHEN ? = '' THEN payer_control ELSE ? END WHERE id = ?",
        (status, claim.payer_control, claim.payer_control, own["id"]),
    )
    if claim.status == REVERSED:
        return
    if not denied:
        close_items(connection, "denial", "claim", own["id"], "paid")
        return
    table = reasons()
    codes = tuple(dict.fromkeys(f"{each.group}-{each.reason}" for each in denied))
    remarks = tuple(dict.fromkeys([*claim.remarks, *(remark for line in claim.lines for remark in line.remarks)]))
    causes = dict.fromkeys(table["causes"].get(each.reason, "other") for each in denied)
    days = min(table["deadlines"].get(each.reason, table["days"]) for each in denied)
    cents = sum(each.cents for each in denied)
    open_item(
        connection,
        "denial",
        f"Claim/{own['id']}",
        date,
        f"{cents / 100:.2f} of {claim.charged / 100:.2f} denied: {' '.join((*codes, *remarks))} ({', '.join(causes)}).",
        patient=own["patient"],
        claim=own["id"],
        cents=cents,
        codes=(*codes, *remarks),
        cause=next(iter(causes)),
        days=days,
    )

"""What an 835 says in the journal: each claim of it is an entry, and so is what the payer keeps back (PLB).

What a payer pays is taken off what that payer owes. Where the payer of a claim sent it on to the next one (crossover,
CLP02 19 to 21), who answers under the same claim's number, that payer owes nothing here: what it pays is taken off
the patient's share, which is what the first payer left. A reversal (CLP02 22) undoes what the answer that it takes back
did.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from fhir_server.subsystems.billing import ledger
from fhir_server.subsystems.billing.beyond import Left, limit
from fhir_server.subsystems.billing.coverages import coverages
from fhir_server.subsystems.billing.facts import organization_of
from fhir_server.subsystems.billing.items import close_items, is_open, open_item, reasons
from fhir_server.subsystems.billing.ledger import Posting, amount
from fhir_server.subsystems.billing.models import SELF_PAY, STANDS
from fhir_server.subsystems.billing.payments import credit
from fhir_server.subsystems.billing.receivables import look_at_receivable
from fhir_server.subsystems.billing.received import claim_number
from fhir_server.subsystems.billing.standing import REVERSED, standing
from interfaces.x12.shapes import Adjustment, ClaimAnswer, Remittance

encode, decode = msgspec.json.encode, msgspec.json.decode
DENIED, FORWARDED, PREDETERMINED = "4", "23", "25"
AFTER_ANOTHER = frozenset({"2", "3", "20", "21"})  # CLP02: processed as secondary or tertiary
OF_A_FILE = 100_000  # more claims than a transaction set of an 835 may have


class Asked(NamedTuple):
    """The claim that an answer is about. crossed: whether another payer sent it on to the one that answers."""

    claim: sqlite3.Row
    crossed: bool


def post(connection: sqlite3.Connection, file: str, number: int, found: Remittance, payer: str, date: str) -> None:
    """Posts one payment, the number of its transaction set in a file (a DocumentReference's id) from 0."""
    source = f"DocumentReference/{file}"
    answered: list[sqlite3.Row] = []
    later: dict[Left, str] = {}  # of payers that are not the first one, with the patient
    for place, claim in enumerate(found.claims):
        key = f"835:{file}:{number}:{place}"
        asked = _asked(connection, claim, payer)
        if asked is None or claim.status == PREDETERMINED:
            why = "which is no claim of ours" if asked is None else "a predetermination, which is no payment (CLP02 25)"
            text = f"{found.payer.name} paid {amount(claim.paid)} for {claim.control}, {why}."
            lines = [Posting(ledger.CASH, claim.paid, "", payer), Posting(ledger.UNAPPLIED, -claim.paid, "", payer)]
            ledger.post(connection, key, date, f"unknown claim {claim.control}", source, lines)
            open_item(connection, "unmatched", source, date, text, detail=claim.control, cents=claim.paid)
            continue
        own, crossed = asked
        answered.append(own)
        status = _reversed_status(connection, own["id"], claim, payer)
        if claim.status == REVERSED and not status:
            text = (
                f"{found.payer.name} takes back {amount(-claim.paid)} of {claim.control}, which it never answered so."
            )
            open_item(connection, "unmatched", source, date, text, detail=f"reversal {number}.{place}", claim=own["id"],
                      patient=own["patient"], cents=-claim.paid)  # fmt: skip
        connection.execute(
            "INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?, ?, ?)",
            (file, number * OF_A_FILE + place, own["id"], payer, found.date, encode(claim)),
        )
        first = own["responsibility"] == "P" and not crossed
        written_off, patient, denied = divided(claim, status, first=first)
        root, who = own["root"], own["patient"]
        if not first:
            later[Left(root, payer, "" if crossed else own["payer"])] = who
        lines = [Posting(ledger.CASH, claim.paid, who, payer, root),
                 Posting(ledger.CONTRACTUAL, written_off, who, payer, root)]  # fmt: skip
        if crossed:
            lines.append(Posting(ledger.PATIENT, -(claim.paid + written_off), who, "", root))
        else:
            lines += [
                Posting(ledger.PATIENT, patient, who, "", root),
                Posting(ledger.RECEIVABLE, -(claim.paid + written_off + patient), who, own["payer"], root),
            ]
        ledger.post(connection, key, date, f"answer {number}.{place} of {found.trace}", source, lines)
        _settle(connection, asked, claim, payer, denied, date)
    for left, who in later.items():
        limit(connection, left, who, f"{file}:{number}:{left.root}", date, source)
    for root in dict.fromkeys(own["root"] for own in answered):
        credit(connection, f"credit:{file}:{number}:{root}", root, date, source)
        look_at_receivable(connection, root, date)
    kept = sum(each.cents for each in found.provider)
    why = ", ".join(f"{each.reason} {each.reference}".strip() for each in found.provider)
    lines = [Posting(ledger.PROVIDER, kept, "", payer), Posting(ledger.CASH, -kept, "", payer)]
    ledger.post(connection, f"835:{file}:{number}:PLB", date, f"kept back: {why}", source, lines)
    beyond = found.amount - (sum(claim.paid for claim in found.claims) - kept)
    if beyond:  # a person has it posted though it does not balance
        lines = [Posting(ledger.CASH, beyond, "", payer), Posting(ledger.UNAPPLIED, -beyond, "", payer)]
        ledger.post(connection, f"835:{file}:{number}:difference", date, "what no claim explains", source, lines)
        text = f"{amount(beyond)} of payment {found.trace} are explained by no claim of it and no PLB."
        open_item(connection, "unmatched", source, date, text, detail=f"difference {number}", cents=beyond)


def divided(claim: ClaimAnswer, status: str = "", *, first: bool = False) -> tuple[int, int, list[Adjustment]]:
    """What is written off, what the patient owes, and what was denied and stays owed by the payer.

    status: CLP02 as which it counts, where it is a reversal; first: whether no payer was asked before, so that nothing
    can be for what another one paid.
    """
    table = reasons()
    written_off = patient = 0
    denied = []
    for each in claim.all_adjustments():
        if each.group == "PR":
            patient += each.cents
        elif each.reason in table["prior"] and each.group == "OA" and not first:
            continue
        elif (status or claim.status) not in (DENIED, FORWARDED) and each.reason in table["contractual"]:
            written_off += each.cents
        else:
            denied.append(each)
    return written_off, patient, denied


def refused(claim: ClaimAnswer) -> bool:
    """Whether the whole of a claim was denied: what is the patient's to pay is not."""
    if claim.status == REVERSED:
        return False
    return claim.status in (DENIED, FORWARDED) or (claim.paid == 0 and bool(divided(claim)[2]))


def _asked(connection: sqlite3.Connection, found: ClaimAnswer, payer: str) -> Asked | None:
    wanted = claim_number(found.control)
    own = connection.execute("SELECT * FROM claim WHERE id = ? AND kind <> ?", (wanted, SELF_PAY)).fetchone()
    if own is None or own["payer"] == payer:
        return Asked(own, crossed=False) if own is not None else None
    other = connection.execute(
        f"SELECT * FROM claim WHERE root = ? AND payer = ? AND {STANDS} ORDER BY id",
        (own["root"], payer),
    ).fetchone()
    if other is not None:
        return Asked(other, crossed=False)
    payers = {row[0] for row in connection.execute("SELECT DISTINCT payer FROM answer WHERE claim = ?", (own["id"],))}
    insures = any(
        organization_of(connection, payor) == payer
        for each in coverages(connection, own["patient"])
        for payor in each.get("payor", ())
    )
    return Asked(own, found.status in AFTER_ANOTHER or payer in payers or (insures and own["payer"] in payers))


def _reversed_status(connection: sqlite3.Connection, own: str, found: ClaimAnswer, payer: str) -> str:
    """CLP02 of the answer to a claim that a reversal takes back, "" where there is none."""
    if found.status != REVERSED:
        return ""
    before = connection.execute(
        "SELECT body FROM answer JOIN file ON file.id = file WHERE claim = ? AND answer.payer = ? "
        "ORDER BY file.loaded DESC, file.id DESC, number DESC",
        (own, payer),
    )
    for row in before:
        answer = decode(bytes(row[0]), type=ClaimAnswer)
        if answer.status != REVERSED and (answer.charged, answer.paid) == (-found.charged, -found.paid):
            return answer.status
    return ""


def _settle(
    connection: sqlite3.Connection,
    asked: Asked,
    claim: ClaimAnswer,
    payer: str,
    denied: Sequence[Adjustment],
    date: str,
) -> None:
    """Moves a claim on by its newest answer that stands, and opens or closes the denial of what is still owed."""
    own = asked.claim
    found = standing(connection, own["id"], payer) or []
    newest = bool(found) and found[0].answer == claim
    if not asked.crossed:
        control = (found[0].answer if found else claim).payer_control
        connection.execute(
            "UPDATE claim SET status = ?, payer_control = CASE WHEN ? = '' THEN payer_control ELSE ? END WHERE id = ?",
            (_status(found[0].answer, own) if found else "reversed", control, control, own["id"]),
        )
    if claim.status == REVERSED:
        return
    owed = asked.crossed or ledger.owed(connection, own["root"], own["payer"]) > 0
    if not denied:
        if asked.crossed or not owed:
            close_items(connection, "denial", "claim", own["id"], "paid")
        return
    if not newest and not (owed and not is_open(connection, "denial", own["id"])):
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
        f"{amount(cents)} of {amount(claim.charged)} denied: {' '.join((*codes, *remarks))} ({', '.join(causes)}).",
        patient=own["patient"],
        claim=own["id"],
        cents=cents,
        codes=(*codes, *remarks),
        cause=next(iter(causes)),
        days=days,
    )


def _status(answer: ClaimAnswer, own: sqlite3.Row) -> str:
    """The status of a claim by an answer of its payer."""
    denied = divided(answer, first=own["responsibility"] == "P")[2]
    return "denied" if refused(answer) else "partly denied" if denied else "paid"

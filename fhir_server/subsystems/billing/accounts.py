"""Patients' accounts, read from the journal: what each Invoice asks, what is open of it, what is kept as a credit."""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.subsystems.billing import ledger
from fhir_server.subsystems.billing.coverages import coverages, payer_of
from fhir_server.subsystems.billing.facts import Connection, known, rows
from fhir_server.subsystems.billing.models import SELF_PAY
from fhir_server.subsystems.billing.payments import INVOICE


class Share(NamedTuple):
    """A patient's share of a claim and those that followed on it, or the whole of a visit that nobody insures.

    root: the first claim's id, or that of the visit's Invoice; kind: of the claim; amounts in cents; asked: what payers
    left to the patient; paid, written_off: of it; open: what is still owed.
    """

    root: str
    kind: str
    patient: str
    encounter: str
    created: str
    asked: int
    paid: int
    written_off: int
    open: int

    @property
    def invoice(self) -> str:
        """The id of its Invoice."""
        return f"{INVOICE}{self.root}"


_SHARES = """
SELECT c.id, c.kind, c.patient, c.encounter, c.created,
    coalesce(sum(CASE WHEN account = 'patient-receivable' AND NOT by_desk THEN j.cents END), 0) asked,
    coalesce(sum(CASE WHEN account = 'written-off' THEN j.cents END), 0) written_off,
    coalesce(sum(CASE WHEN account = 'patient-receivable' THEN j.cents END), 0) open
FROM (
    SELECT l.claim, l.account, l.cents, e.key LIKE 'payment:%' OR e.key LIKE 'credit:%' by_desk
    FROM journal_line l JOIN journal_entry e ON e.id = l.entry
    WHERE l.account IN ('patient-receivable', 'written-off') AND l.claim <> '' AND {0}
) j JOIN claim c ON c.id = j.claim GROUP BY c.id ORDER BY c.created, c.id
"""


def share(store: Connection, root: str) -> Share | None:
    """The share of one claim, None where the patient was never asked for anything."""
    return next(iter(_found(store, "l.claim = ?", root)), None)


def shares(store: Connection, patient: str = "") -> list[Share]:
    """Those of a patient, or of all, the oldest first."""
    of = "l.claim IN (SELECT id FROM claim WHERE patient = ?)" if patient else "? = ''"
    return _found(store, of, patient)


def payable(store: Connection, patient: str) -> list[Share]:
    """Those of a patient that are open and that no payer is left to be asked for, the oldest first."""
    return [each for each in shares(store, patient) if each.open > 0 and not others(store, each)]


def others(store: Connection, of: Share) -> list[Any]:
    """The coverages of a patient whose payers were not asked for a claim yet, by us or by the payer before them."""
    if of.kind == SELF_PAY:
        return []
    sql = "SELECT payer FROM claim WHERE root = ? UNION SELECT a.payer FROM answer a JOIN claim c ON c.id = claim"
    asked = {row["payer"] for row in rows(store, f"{sql} WHERE c.root = ?", (of.root, of.root))}
    return [
        each for each in coverages(store, of.patient, _serviced(store, of)) if payer_of(store, each) not in {"", *asked}
    ]


def _serviced(store: Connection, of: Share) -> str:
    """The first day of the services of a claim, which says who insures them."""
    days = (each.get("servicedDate", "") for each in (known(store, f"Claim/{of.root}") or {}).get("item", ()))
    return min(filter(None, days), default=of.created[:10])


def credit_of(store: Connection, patient: str) -> int:
    """What a patient has paid that is on no invoice, in cents."""
    sql = "SELECT coalesce(-sum(cents), 0) FROM journal_line WHERE patient = ? AND account = ?"
    return rows(store, sql, (patient, ledger.CREDIT))[0][0]


def _found(store: Connection, condition: str, value: str) -> list[Share]:
    return [
        Share(row["id"], row["kind"], row["patient"], row["encounter"], row["created"], row["asked"],
              row["asked"] - row["open"] - row["written_off"], row["written_off"], row["open"])
        for row in rows(store, _SHARES.format(condition), (value,))
    ]  # fmt: skip

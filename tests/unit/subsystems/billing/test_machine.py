"""Whatever comes in any order: the journal balances, says what a plain model says, and a replay changes none of it."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from fhir_server.codec.json import serialize
from fhir_server.core.keys import instant
from fhir_server.subsystems.billing import accounts, claiming, ledger, payments, written
from fhir_server.subsystems.billing.models import Detail
from fhir_server.subsystems.billing.service import Billing
from fhir_server.subsystems.billing.settling import DENIED, TRANSFER
from fhir_server.subsystems.subsystem import Change, Portion
from interfaces.x12.remittances import write_remittance
from interfaces.x12.shapes import Adjustment, ClaimAnswer, Envelope, Party, Remittance
from tests.unit.subsystems.billing.story import NOW, PAYEE, coverage, encounter, hospital, payer, procedure

PAYERS = {"Organization/blue": ("60054", "BLUE"), "Organization/red": ("70001", "RED")}
VISITS = ("visit", "second")
KEPT = "SELECT e.key, account, patient, payer, claim, cents FROM journal_line JOIN journal_entry e ON e.id = entry"
TABLES = ("claim", "answer", "payment", "interchange", "remitted")


class Postings(RuleBasedStateMachine):
    """A hospital with two visits of one patient, who is insured by two payers."""

    claims = Bundle("claims")
    answers = Bundle("answers")
    paid = Bundle("paid")
    settled = Bundle("settled")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.billing = Billing(Path(self.folder.name) / "a")
        self.feed: list[Change] = []
        self.expected: Counter[tuple[str, str]] = Counter()  # (account, payer or patient's claim) -> cents
        self.moved: dict[str, int] = {}  # secondary claim -> what went to it
        self.made = 0

    def teardown(self) -> None:
        again = Billing(Path(self.folder.name) / "b")
        again.take(Portion(self.feed, len(self.feed), len(self.feed)))
        assert self.state(again) == self.state(self.billing)
        again.close()
        self.billing.close()
        self.folder.cleanup()

    # ------------------------------------------------------------------ what comes
    def comes(self, resource: dict[str, Any]) -> None:
        resource = resource | {"meta": {**resource.get("meta", {}), "versionId": "1"}}
        at = len(self.feed) + 1
        updated = instant(NOW + at * 1_000_000)
        change = Change(
            at, resource["resourceType"], resource["id"], 1, "PUT", updated, msgspec.Raw(serialize(resource))
        )
        self.feed.append(change)
        self.billing.take(Portion([change], at, at))

    @initialize()
    def hospital(self) -> None:
        for each in (*hospital(), payer("red", "70001", "Red"), coverage("next", "red", 2), encounter(id="second"),
                     procedure("lab2", encounter={"reference": "Encounter/second"})):  # fmt: skip
            self.comes(each)

    def row(self, id: str) -> Any:
        return self.billing.store.row("SELECT * FROM claim WHERE id = ?", (id,))

    def open_claim(self, visit: str) -> bool:
        sql = "SELECT 1 FROM claim WHERE encounter = ? AND replaced = '' AND frequency <> '8'"
        return self.billing.store.row(sql, (f"Encounter/{visit}",)) is not None

    def claim(self, visit: str, **how: Any) -> str:
        self.made += 1
        id = f"B{self.made:05}"
        self.comes(claiming.make(self.billing.store, f"Encounter/{visit}", id, instant(NOW), **how))
        return id

    def takes(self, account: str, who: str, cents: int) -> None:
        self.expected[account, who] += cents

    def settles(self, root: str) -> None:
        """What a patient has paid beyond a share is a credit."""
        beyond = -self.expected[ledger.PATIENT, root]
        if beyond > 0:
            self.takes(ledger.PATIENT, root, beyond)
            self.takes(ledger.CREDIT, "", -beyond)

    # ------------------------------------------------------------------ claims
    @rule(target=claims, visit=st.sampled_from(VISITS))
    def claims_a_visit(self, visit: str):
        if self.open_claim(visit):
            return multiple()
        id = self.claim(visit)
        self.takes(ledger.RECEIVABLE, f"{id} Organization/blue", self.row(id)["cents"])
        return id

    @rule(target=claims, id=claims, void=st.booleans())
    def is_replaced_or_voided(self, id: str, void: bool):
        row = self.row(id)
        if row["replaced"] or row["frequency"] == "8":
            return multiple()
        primary = row["responsibility"] == "P"
        new = self.claim(row["encounter"].partition("/")[2], frequency="8" if void else "7", prior=id,
                         coverage="" if primary else row["coverage"], responsibility=row["responsibility"])  # fmt: skip
        who = f"{row['root']} {row['payer']}"
        if not primary:
            moved = self.moved.pop(id)
            self.moved[new] = moved
            if void:
                self.takes(ledger.RECEIVABLE, who, -moved)
                self.takes(ledger.PATIENT, row["root"], moved)
            else:
                more = self.expected[ledger.PATIENT, row["root"]]
                self.takes(ledger.PATIENT, row["root"], -more)
                self.takes(ledger.RECEIVABLE, who, more)
                self.moved[new] += more
        elif void:
            self.takes(ledger.RECEIVABLE, who, -row["cents"])
        return new

    @rule(target=claims, id=claims)
    def goes_to_the_next_payer(self, id: str):
        row = self.row(id)
        left = accounts.share(self.billing.store, row["root"])
        if row["replaced"] or row["frequency"] == "8" or row["responsibility"] != "P" or not left:
            return multiple()
        if self.billing.store.row("SELECT 1 FROM claim WHERE root = ? AND payer <> ?", (row["root"], row["payer"])):
            return multiple()
        new = self.claim(row["encounter"].partition("/")[2], prior=id, coverage="Coverage/next", responsibility="S")
        moved = self.expected[ledger.PATIENT, row["root"]]
        self.takes(ledger.PATIENT, row["root"], -moved)
        self.takes(ledger.RECEIVABLE, f"{row['root']} Organization/red", moved)
        self.moved[new] = moved
        return new

    # ------------------------------------------------------------------ 835
    def remits(self, id: str, answer: ClaimAnswer) -> None:
        row = self.row(id)
        number, name = PAYERS[row["payer"]]
        self.made += 1
        found = Remittance(
            Party(name, id=number, qualifier="PI"), PAYEE, answer.paid, f"T{self.made}", "20261120", (answer,)
        )
        text = write_remittance(found, Envelope(name, "HOSP1", self.made, "20261120", "0900")).encode()
        self.comes(written.document(text, "incoming", "835", instant(NOW), str(self.made)))
        less = {group: sum(each.cents for each in answer.adjustments if each.group == group) for group in ("CO", "PR")}
        self.takes(ledger.CASH, "", answer.paid)
        self.takes(ledger.CONTRACTUAL, "", less["CO"])
        self.takes(ledger.PATIENT, row["root"], less["PR"])
        self.takes(ledger.RECEIVABLE, f"{row['root']} {row['payer']}", -(answer.paid + less["CO"] + less["PR"]))
        self.settles(row["root"])

    @rule(target=answers, id=claims, parts=st.lists(st.integers(0, 100), min_size=4, max_size=4))
    def is_answered(self, id: str, parts: list[int]):
        row = self.row(id)
        if row["frequency"] == "8":
            return multiple()
        asked = row["cents"] if row["responsibility"] == "P" else self.moved.get(id, 0)
        whole = sum(parts) or 1
        paid, off, patient = (asked * each // whole for each in parts[:3])
        refused, prior = asked - paid - off - patient, row["cents"] - asked
        less = [("CO", "45", off), ("PR", "1", patient), ("PI", "50", refused), ("OA", "23", prior)]
        adjustments = tuple(Adjustment(*each) for each in less if each[2])
        answer = ClaimAnswer(id, "1", row["cents"], paid, 0, "ICN", adjustments, patient=Party("A", "B"))
        self.remits(id, answer)
        return (id, answer)

    @rule(before=consumes(answers))
    def an_answer_is_taken_back(self, before: tuple[str, ClaimAnswer]) -> None:
        id, answer = before
        less = tuple(Adjustment(each.group, each.reason, -each.cents) for each in answer.adjustments)
        self.remits(id, ClaimAnswer(id, "22", -answer.charged, -answer.paid, 0, "ICN", less, patient=Party("A", "B")))

    # ------------------------------------------------------------------ the desk
    def desk(self, kind: str, details: tuple[Detail, ...], reverses: str = "") -> str:
        self.made += 1
        cents = sum(each.cents for each in details)
        made = payments.resource_of(
            f"pay-{self.made}", kind, "Patient/anna", cents, kind, details,
            created=instant(NOW), date="2026-11-27", identifier={}, reverses=reverses,
        )  # fmt: skip
        self.comes(made)
        self.takes(ledger.CASH, "", cents)
        for each in details:
            self.takes(*((ledger.CREDIT, "") if each.type == "advance" else (ledger.PATIENT, each.root)), -each.cents)
            if each.root:
                self.settles(each.root)
        return made["id"]

    @precondition(lambda self: self.made)
    @rule(target=paid, cents=st.integers(1, 30_000))
    def a_patient_pays(self, cents: int):
        details, rest = [], cents
        for share in accounts.payable(self.billing.store, "Patient/anna"):
            part = min(rest, share.open)
            details += [Detail("payment", part, share.root)] if part else []
            rest -= part
        details = (*details, *((Detail("advance", rest),) if rest else ()))
        return (self.desk("payment", details), details)

    @rule(before=consumes(paid))
    def a_payment_is_reversed(self, before: tuple[str, tuple[Detail, ...]]) -> None:
        id, details = before
        self.desk("reversal", tuple(each._replace(cents=-each.cents) for each in details), id)

    def settle(self, kind: str, detail: Detail, reverses: str = "") -> str:
        self.made += 1
        made = payments.resource_of(
            f"pay-{self.made}", kind, "Patient/anna", 0, kind, (detail,), created=instant(NOW), date="2026-11-27",
            identifier={}, reverses=reverses,
        )  # fmt: skip
        self.comes(made)
        row = self.row(detail.root)
        self.takes(ledger.RECEIVABLE, f"{row['root']} {row['payer']}", -detail.cents)
        self.takes(*((ledger.PATIENT, row["root"]) if detail.type == TRANSFER else (ledger.DENIED, "")), detail.cents)
        self.settles(row["root"])
        return made["id"]

    @rule(target=settled, id=claims, cents=st.integers(1, 20_000), how=st.sampled_from([DENIED, TRANSFER]))
    def a_denial_is_settled(self, id: str, cents: int, how: str):
        detail = Detail(how, cents, id)
        return (self.settle(how, detail), detail)

    @rule(before=consumes(settled))
    def what_was_settled_is_taken_back(self, before: tuple[str, Detail]) -> None:
        id, detail = before
        self.settle("reversal", detail._replace(cents=-detail.cents), id)

    @precondition(lambda self: len(self.feed) > 1)
    @rule(part=st.floats(0, 1))
    def what_came_comes_again(self, part: float) -> None:
        before = self.state(self.billing)
        self.billing.take(Portion(self.feed[int(len(self.feed) * part) :], len(self.feed), len(self.feed)))
        assert self.state(self.billing) == before

    # ------------------------------------------------------------------ what must hold
    def state(self, billing: Billing) -> dict[str, list[tuple]]:
        found = {name: sorted(tuple(row) for row in billing.store.rows(f"SELECT * FROM {name}")) for name in TABLES}
        return found | {"journal": sorted(tuple(row) for row in billing.store.rows(KEPT))}

    @invariant()
    def the_trial_balance_is_zero(self) -> None:
        assert ledger.trial_balance(self.billing.store)["sum"] == 0

    @invariant()
    def the_journal_says_what_was_done(self) -> None:
        found: Counter[tuple[str, str]] = Counter()
        for account, of, root, cents in self.billing.store.rows(
            "SELECT account, payer, claim, cents FROM journal_line"
        ):
            who = {ledger.RECEIVABLE: f"{root} {of}", ledger.PATIENT: root}.get(account, "")
            found[account, who] += cents
        found = Counter({key: cents for key, cents in found.items() if cents and key[0] != ledger.REVENUE})
        assert found == Counter({key: cents for key, cents in self.expected.items() if cents})

    @invariant()
    def aging_is_what_is_open(self) -> None:
        for by, account in (("payer", ledger.RECEIVABLE), ("patient", ledger.PATIENT)):
            aged = sum(each["total"] for each in ledger.aging(self.billing.store, by, "2026-11-27"))
            assert aged == sum(cents for (name, _), cents in self.expected.items() if name == account)

    @invariant()
    def what_is_overpaid_is_work(self) -> None:
        over = {
            who.partition(" ")[0]
            for (name, who), cents in self.expected.items()
            if name == ledger.RECEIVABLE and cents < 0
        }
        found = self.billing.store.rows("SELECT claim FROM item WHERE kind = 'overpaid' AND closed = ''")
        assert {row[0] for row in found} == over


TestPostings = Postings.TestCase
TestPostings.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

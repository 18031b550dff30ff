"""The journal balances whatever comes, and an 835 made of our own 837 posts to the cent."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.subsystems.billing import ledger, remitting
from fhir_server.subsystems.billing.ledger import Posting
from fhir_server.subsystems.billing.models import LAYOUT, SCHEMA
from fhir_server.subsystems.store import SubsystemStore
from interfaces.x12.claims import write_claims
from interfaces.x12.reader import read
from interfaces.x12.remittances import remittance, unbalanced, write_remittance
from interfaces.x12.shapes import Adjustment, ClaimAnswer, LineAnswer, Party, ProviderAdjustment, Remittance
from tests.unit.interfaces.x12 import samples

CALM = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store(tmp_path: Path):
    made = SubsystemStore(tmp_path / "journal.sqlite", SCHEMA, LAYOUT)
    yield made
    made.close()


def test_an_entry_that_does_not_balance_can_not_be_stored(store: SubsystemStore):
    with pytest.raises(sqlite3.IntegrityError, match="must balance"), store.writing() as connection:
        ledger.post(connection, "k", "2026-01-01", "", "", [Posting("cash", 1), Posting("revenue", -2)])
    assert store.rows("SELECT * FROM journal_line") == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE journal_line SET cents = 5", "DELETE FROM journal_line", "DELETE FROM journal_entry",
        "UPDATE journal_entry SET date = ''", "INSERT INTO journal_line VALUES (1, 9, 'cash', '', '', '', 5)",
        "INSERT INTO journal_line VALUES (2, 1, 'cash', '', '', '', 5)",
        "INSERT INTO journal_line VALUES (2, 1, 'cash', '', '', '', 1.5)",
    ],
)  # fmt: skip
def test_nothing_of_the_journal_is_changed_deleted_or_left_without_an_entry(store: SubsystemStore, sql: str):
    with store.writing() as connection:
        ledger.post(connection, "k", "2026-01-01", "", "", [Posting("cash", 1), Posting("revenue", -1)])
    with pytest.raises(sqlite3.IntegrityError), store.writing() as connection:
        connection.execute(sql)
    assert ledger.trial_balance(store)["sum"] == 0


AMOUNTS = st.integers(-(10**9), 10**9)


@CALM
@given(st.lists(st.tuples(st.integers(0, 5), st.lists(AMOUNTS, min_size=1, max_size=4)), max_size=8))
def test_any_entries_balance_and_a_replay_changes_nothing(store: SubsystemStore, entries):
    seen = []
    for _ in range(2):
        for key, amounts in entries:
            lines = [Posting("cash", each) for each in amounts] + [Posting("revenue", -sum(amounts))]
            with store.writing() as connection:
                ledger.post(connection, f"k{key}", "2026-01-01", "", "", lines)
        seen.append(ledger.trial_balance(store))
    assert seen[0] == seen[1] and seen[0]["sum"] == 0
    for key in range(6):
        with store.writing() as connection:
            ledger.reverse(connection, f"k{key}", f"r{key}", "2026-01-02", "", "")
    assert all(row["balance"] == 0 for row in ledger.trial_balance(store)["accounts"])


PAID = st.tuples(st.integers(0, 10**7), st.integers(0, 100), st.integers(0, 100))


@CALM
@given(st.lists(st.lists(PAID, min_size=1, max_size=4), min_size=1, max_size=4), st.integers(-5000, 5000))
def test_an_835_of_our_own_837_posts_to_the_cent(store: SubsystemStore, claims, kept: int):
    """Each claim's lines: charged cents, percent written off, percent of the rest left to the patient."""
    written = []
    for number, lines in enumerate(claims):
        made = [
            samples.Line("99213", charged + 1, "1", "20261101", control=f"L{at}")
            for at, (charged, *_) in enumerate(lines)
        ]
        written.append(samples.claim(f"C{number}", lines=tuple(made), cents=sum(line.cents for line in made)))
    text = write_claims(written, samples.ENVELOPE, samples.SENDER, samples.CLEARING)
    answers = []
    for claim, lines in zip(written, claims, strict=True):
        answered = []
        for line, (_, off, rest) in zip(claim.lines, lines, strict=True):
            less = line.cents * off // 100
            patient = (line.cents - less) * rest // 100
            taken = [Adjustment("CO", "45", less), Adjustment("PR", "1", patient)]
            taken = tuple(each for each in taken if each.cents)
            answered.append(
                LineAnswer(line.code, line.cents, line.cents - less - patient, taken, line.control, (), "1")
            )
        paid = sum(each.paid for each in answered)
        answers.append(ClaimAnswer(claim.control, "1", claim.cents, paid, 0, "X", (), tuple(answered), Party("A", "B")))
    assert [loop.segment("CLM")[1] for loop in next(read(text).transactions()).root.all("2300")] == [
        each.control for each in answers
    ]
    provider = (ProviderAdjustment("WO", "R", kept),) if kept else ()
    amount = sum(each.paid for each in answers) - kept
    made = Remittance(samples.PAYER, samples.HOSPITAL, amount, "T1", "20261120", tuple(answers), provider)
    found = remittance(next(read(write_remittance(made, samples.ENVELOPE)).transactions()))
    assert unbalanced(found) == [] and found.amount == amount
    for answer, claim in zip(found.claims, written, strict=True):
        off, patient, denied = remitting.divided(answer)
        assert answer.paid + off + patient == claim.cents and denied == []

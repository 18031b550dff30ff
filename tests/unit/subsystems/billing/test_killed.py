"""A process that is killed (-9) while it posts has posted all or nothing, and what goes on after it posts once."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fhir_server.subsystems.billing import ledger, paying
from fhir_server.subsystems.billing.desk import Desk
from fhir_server.subsystems.billing.service import Billing
from tests.unit.subsystems.billing.story import NOW, Story, answer, folder

pytestmark = pytest.mark.anyio
KILLED = "tests.unit.subsystems.billing.killed"


async def killed(story: Story, data: Path, what: str, sql: str, number: int = 1, content: str = "") -> int:
    """Posts in a process that is killed in the middle; gives how many entries the journal has then."""
    story.billing.close()
    run = [sys.executable, "-m", KILLED, str(data), what, sql, str(number)]
    done = subprocess.run(run, input=content, text=True, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    story.billing = Billing(folder(data))
    assert ledger.trial_balance(story.billing.store)["sum"] == 0
    return story.rows("SELECT count(*) FROM journal_entry")[0][0]


@pytest.mark.parametrize(("sql", "kept"), [("FHIR", False), ("BEGIN", True), ("INSERT INTO journal_entry", True)])
async def test_a_payment_of_the_desk(story: Story, tmp_path: Path, sql: str, kept: bool):
    assert await killed(story, tmp_path, "payment", sql) == 0
    await story.settle()
    assert story.accounts() == ({"cash": 5000, "patient-credit": -5000} if kept else {})
    _, new = await paying.pay(Desk(story.billing, story.fhir.server, NOW), "Patient/anna", "R1", 5000)
    await story.settle()
    assert new is not kept and story.accounts() == {"cash": 5000, "patient-credit": -5000}


async def test_an_835(story: Story, tmp_path: Path):
    await story.claim()
    [sent] = await story.send()
    found = answer(sent["text"])
    text = story.remittance(found, found)  # the same claim twice: two entries
    before = story.rows("SELECT count(*) FROM journal_entry")[0][0]
    assert await killed(story, tmp_path, "835", "INSERT INTO journal_entry", 2, text) == before
    assert story.rows("SELECT 1 FROM file WHERE outgoing = 0") == [] and story.accounts()["receivable"] == 17549
    await story.settle()
    assert story.accounts()["cash"] == 2 * 15049
    assert story.rows("SELECT state FROM file WHERE outgoing = 0") == [("posted",)]
    await story.load(text, later=1)
    assert story.accounts()["cash"] == 2 * 15049 and story.work() == ["duplicate", "overpaid"]

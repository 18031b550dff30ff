"""Eligibility and status of claims: what we ask is read by another reader, what payers answer is understood."""

from pathlib import Path

import pytest
from x12sdk.io import X12ModelReader

from interfaces.x12.inquiries import Inquiry, eligibilities, statuses, write_eligibility, write_status
from interfaces.x12.reader import read
from tests.unit.interfaces.x12.samples import ANNA, ENVELOPE, HOSPITAL, PAYER

FOLDER = Path(__file__).parents[3] / "data" / "x12"
INQUIRY = Inquiry("TRACE1", PAYER, HOSPITAL, ANNA, "20261101", 17549)


@pytest.mark.parametrize("write", [write_eligibility, write_status])
def test_a_question_is_read_by_another_reader(write):
    text = write(INQUIRY, ENVELOPE)
    with X12ModelReader(text) as reader:
        [model] = list(reader.models())
    assert "TRACE1" in repr(model) and "M123" in repr(model)


def test_an_answer_on_eligibility_says_whether_the_plan_is_in_force():
    [answer] = eligibilities(next(read((FOLDER / "x271.txt").read_bytes()).transactions()))
    assert (answer.trace, answer.active, answer.benefits) == ("93175-012547", True, [("1", "30", "GOLD 123 PLAN")])


def test_a_refused_question_is_no_coverage():
    text = (FOLDER / "x271.txt").read_text().replace("EB*1**30**GOLD 123 PLAN********~", "EB*6**30~")
    [answer] = eligibilities(next(read(text).transactions()))
    assert answer.active is False


def test_an_answer_on_claims_has_a_status_for_each():
    found = list(statuses(next(read((FOLDER / "x12_277_x212.txt").read_bytes()).transactions())))
    assert [each.trace for each in found[:2]] == ["0000001", "0000002"] and found[0].statuses == ["A1:704"]

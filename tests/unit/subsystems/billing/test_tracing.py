"""From a line of the journal back to what was done, and forward to the journal."""

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing import inquiring
from fhir_server.subsystems.tracing import trace
from interfaces.x12.acknowledgements import functional
from interfaces.x12.reader import read
from interfaces.x12.shapes import Envelope
from tests.unit.subsystems.billing.story import NOW, Story, answer

pytestmark = pytest.mark.anyio


async def test_from_a_payment_in_the_journal_back_to_the_charges_and_forward_from_what_was_done(story: Story):
    id = await story.claim()
    [sent] = await story.send()
    said = await story.load(story.remittance(answer(sent["text"])))
    [(entry,)] = story.rows("SELECT id FROM journal_entry WHERE source = ?", said["file"])
    back = (await trace(story.fhir.server, f"journal/{entry}", story.billing.links)).back
    depth = {step.reference: step.depth for step in back}
    [charge] = [row[0] for row in story.rows("SELECT id FROM charge WHERE source = 'Procedure/lab'")]
    assert (depth[said["file"]], depth[f"Claim/{id}"], depth[f"ChargeItem/{charge}"]) == (1, 2, 3)
    assert depth["Procedure/lab"] == 3 and depth["Encounter/visit"] == 3
    [priced] = [step for step in back if step.how == "priced" and step.said == "49.99"]
    assert priced.reference.startswith("ChargeItemDefinition/")
    for start in ("Procedure/lab", "Encounter/visit", f"ChargeItem/{charge}", f"Claim/{id}"):
        forward = (await trace(story.fhir.server, start, story.billing.links)).forward
        reached = {step.reference for step in forward}
        assert {sent["file"], said["file"], f"journal/{entry}"} <= reached
    responses = {step.reference for step in forward if step.reference.startswith("ClaimResponse/")}
    [response] = responses
    assert f"Claim/{id}" in {step.reference for step in (
        await trace(story.fhir.server, response, story.billing.links)).back}  # fmt: skip


async def test_an_entry_that_reverses_leads_to_the_one_before_it(story: Story):
    id = await story.claim()
    new = await story.follow(id, "void")
    found = await trace(story.fhir.server, "journal/2", story.billing.links)
    assert [(step.reference, step.how) for step in found.back[:2]] == [
        (f"Claim/{new}", f"replaced by {new}"), ("journal/1", "reverses")
    ]  # fmt: skip
    for unknown in ("journal/9", "journal/", "journal/x", "ledger/1"):
        with pytest.raises(FhirError, match="There is no"):
            await trace(story.fhir.server, unknown, story.billing.links)


TA1 = """ISA*00*          *00*          *ZZ*CLEAR1         *ZZ*HOSP1          *261103*0900*^*00501*000000021*0*P*:~
TA1*{control:09}*261102*0900*A*000~
IEA*0*000000021~
"""
ANSWER_277CA = """\
ISA*00*          *00*          *ZZ*CLEAR1         *ZZ*HOSP1          *261103*0900*^*00501*000000022*0*P*:~
GS*HN*CLEAR1*HOSP1*20261103*0900*22*X*005010X214~
ST*277*0001*005010X214~
BHT*0085*08*1*20261103*0900*TH~
HL*1**20*1~
NM1*PR*2*BLUE PAYER*****PI*60054~
TRN*1*20261103~
DTP*050*D8*20261103~
DTP*009*D8*20261103~
HL*2*1*21*1~
NM1*41*2*GENERAL HOSPITAL*****46*HOSP1~
TRN*2*1~
STC*A1:19:PR*20261103*WQ*175.49~
QTY*90*1~
AMT*YU*175.49~
HL*3*2*19*1~
NM1*85*2*GENERAL HOSPITAL*****XX*1234567893~
TRN*1*0~
HL*4*3*PT~
NM1*QC*1*MULLER*ANNA****MI*M-cov~
TRN*2*{claim}~
STC*A1:19:PR*20261103*WQ*175.49~
REF*1K*PAYER77~
DTP*472*D8*20261102~
SE*23*0001~
GE*1*22~
IEA*1*000000022~
"""


async def test_an_acknowledgement_leads_to_the_837_that_it_answers_and_back(story: Story):
    id = await story.claim()
    [sent] = await story.send()
    envelope = Envelope("CLEAR1", "HOSP1", 9, "20261103", "0900")
    files = {
        "999": await story.load(functional(read(sent["text"]).interchanges[0], envelope)),
        "TA1": await story.load(TA1.format(control=int(sent["control"])), later=1),
        "277CA": await story.load(ANSWER_277CA.format(claim=id), later=2),
    }
    for kind, said in files.items():
        assert said["problems"] == []
        steps = (await trace(story.fhir.server, said["file"], story.billing.links)).back
        assert (sent["file"], f"{kind} answers", "accepted") in {
            (step.reference, step.how, step.said) for step in steps
        }
        assert "Procedure/lab" in {step.reference for step in steps}
    forward = (await trace(story.fhir.server, sent["file"], story.billing.links)).forward
    assert {said["file"]: f"answered by {kind}" for kind, said in files.items()} == {
        step.reference: step.how for step in forward if step.how.startswith("answered by")
    }
    before = story.state()
    story.billing.drop()
    await story.settle()
    assert story.state() == before and len(before["acknowledged"]) == 4 and story.work() == []


async def test_an_acknowledgement_of_a_question_is_of_a_file_that_was_sent(story: Story):
    made = await inquiring.ask_eligibility(story.billing, story.fhir.server, "Patient/anna", "BLUE", NOW, "Berta")
    await story.settle()
    envelope = Envelope("BLUE", "HOSP1", 9, "20261103", "0900")
    said = await story.load(functional(read(made["text"]).interchanges[0], envelope))
    assert story.rows("SELECT about, kind, said FROM acknowledged") == [(made["file"], "999", "accepted")]
    assert story.work() == [] and said["kind"] == "999"


async def test_a_refusal_says_so_on_its_way_to_the_task(story: Story):
    id = await story.claim()
    await story.send()
    said = await story.load(ANSWER_277CA.format(claim=id.lower()).replace("A1:19", "A3:21"))
    forward = (await trace(story.fhir.server, f"Claim/{id}", story.billing.links)).forward
    found = {step.reference.partition("/")[0]: step for step in forward if step.depth == 1}
    assert found["Task"].how == "rejected"
    assert (said["file"], "not accepted: A3:21:PR") in {(step.reference, step.said) for step in forward}
    back = (await trace(story.fhir.server, found["Task"].reference, story.billing.links)).back
    assert f"Claim/{id}" in {step.reference for step in back}

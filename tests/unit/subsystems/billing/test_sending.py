"""Claims on their way: each is sent once, and one that can't be sent, or is refused, holds nobody up."""

import asyncio
import io
import json
import tarfile
from pathlib import Path

import msgspec
import pytest

from fhir_server.core.settings import Settings
from fhir_server.subsystems.billing import actions, sending
from fhir_server.subsystems.billing.models import NPI
from fhir_server.subsystems.billing.service import Billing
from tests.conftest import running
from tests.system.process import hms
from tests.unit.subsystems.billing.story import NOW, Story, encounter, folder, hospital, procedure

pytestmark = pytest.mark.anyio
ONLY_CHEAP = {
    "resourceType": "StructureDefinition",
    "url": "http://example.org/StructureDefinition/charge",
    "name": "Charge",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "ChargeItem",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/ChargeItem",
    "derivation": "constraint",
    "differential": {"element": [{"id": "ChargeItem", "path": "ChargeItem", "constraint": [
        {"key": "own-1", "severity": "error", "human": "no draws",
         "expression": "code.coding.where(code = '36415').empty()"}
    ]}]},
}  # fmt: skip


async def another_visit(story: Story) -> str:
    await story.store(encounter(id="other"), procedure("other-lab", encounter={"reference": "Encounter/other"}))
    made = await actions.claim_encounter(story.billing, story.fhir.server, "Encounter/other", NOW, "Berta")
    await story.settle()
    return made["id"]


async def test_a_claim_is_made_and_sent_once_however_fast_one_asks(story: Story):
    asked = [actions.claim_encounter(story.billing, story.fhir.server, "Encounter/visit", NOW, "B") for _ in range(2)]
    made = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(type(each).__name__ for each in made) == ["FhirError", "dict"]
    at_once = [sending.send(story.billing, story.fhir.server, "CLEAR1", "P", NOW + n, "Berta") for n in range(2)]
    files = [each for found in await asyncio.gather(*at_once) for each in found]
    await story.settle()
    assert [each["claims"] for each in files] == [1]
    assert story.rows("SELECT count(*) FROM file WHERE outgoing = 1") == [(1,)]


async def test_what_was_done_at_once_is_what_the_feed_gives_again(story: Story):
    await story.claim()
    await story.send()
    before = story.state()
    dates = story.rows("SELECT key, date FROM journal_entry")
    story.billing.drop()
    await story.settle()
    assert story.state() == before and story.rows("SELECT key, date FROM journal_entry") == dates


async def test_a_claim_that_can_not_be_sent_goes_aside_and_the_others_go(story: Story):
    id, other = await story.claim(), await another_visit(story)
    await story.fhir("DELETE", f"Claim/{other}")
    await story.settle()
    [sent] = await story.send()
    assert sent["claims"] == 1 and id in sent["text"] and story.work() == ["unsent"]
    [(task,)] = story.rows("SELECT id FROM item")
    assert f"Claim/{other} is deleted" in (await story.fhir.get(f"Task/{task}")).json()["description"]
    before = story.state()["item"]
    story.billing.drop()
    await story.settle()
    assert [row[0] for row in story.state()["item"]] == [row[0] for row in before] and story.work() == ["unsent"]


async def test_a_claim_that_can_not_be_written_goes_aside_until_what_it_lacks_is_there(story: Story):
    id, other = await story.claim(), await another_visit(story)
    broken = (await story.fhir.get(f"Claim/{other}")).json()
    coding = broken["diagnosis"][0]["diagnosisCodeableConcept"]["coding"][0]
    coding["code"] = "E11 9 is too long for X12 by far"
    await story.store(broken)
    [sent] = await story.send()
    assert sent["claims"] == 1 and id in sent["text"] and story.work() == ["unsent"]
    coding["code"] = "E11.9"
    await story.store(broken)
    [sent] = await story.send()
    assert sent["claims"] == 1 and other in sent["text"] and story.work() == []


async def test_a_resource_that_the_server_refuses_goes_aside_and_the_rest_goes(settings: Settings, tmp_path: Path):
    archive = tmp_path / "own.tgz"
    with tarfile.open(archive, "w:gz") as made:
        manifest = {"name": "own.test", "version": "1.0.0", "fhirVersions": ["4.0.1"]}
        for name, content in (("package", manifest), ("charge", ONLY_CHEAP)):
            data = json.dumps(content).encode()
            member = tarfile.TarInfo(f"package/{name}.json")
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    hms("packages", "install", archive, "--data", settings.data)
    strict = msgspec.structs.replace(settings, required_profiles=(ONLY_CHEAP["url"],))
    async with running(strict) as fhir:
        story = Story(fhir, Billing(folder(tmp_path)))
        await story.store(*hospital(), procedure("draw", "36415"), procedure("more", "80053"))
        assert len(await fhir.ids("ChargeItem")) == 3 and story.work() == ["refused"]
        [(about, text)] = story.rows("SELECT subject, text FROM item")
        assert (about == "Procedure/draw" and "own-1" in text) or "no draws" in text
        await story.store(procedure("draw", "80053"))
        assert len(await fhir.ids("ChargeItem")) == 4 and story.work() == []
        story.billing.close()


REFUSED_271 = """\
ISA*00*          *00*          *ZZ*BLUE           *ZZ*HOSP1          *261120*0900*^*00501*000000501*0*P*:~
GS*HB*BLUE*HOSP1*20261120*0900*501*X*005010X279A1~
ST*271*0001*005010X279A1~
BHT*0022*11*1*20261120*0900~
HL*1**20*1~
AAA*Y**42*R~
NM1*PR*2*BLUE PAYER*****PI*60054~
SE*6*0001~
GE*1*501~
IEA*1*000000501~
"""


async def test_an_answer_to_nothing_of_ours_is_work(story: Story):
    said = await story.load(REFUSED_271)
    assert said["problems"] == []
    [(kind, text)] = story.rows("SELECT kind, text FROM item")
    assert kind == "unmatched" and "AAA03 42" in text


TAXES = [{"system": "urn:oid:2.16.840.1.113883.4.4", "value": "98-7654321"}]
REFUSED_277CA = """\
ISA*00*          *00*          *ZZ*BLUE           *ZZ*HOSP1          *261120*0900*^*00501*000000502*0*P*:~
GS*HN*BLUE*HOSP1*20261120*0900*502*X*005010X214~
ST*277*0001*005010X214~
BHT*0085*08*7*20261120*0900*TH~
HL*1**20*1~
NM1*PR*2*BLUE PAYER*****PI*60054~
TRN*1*BATCH7~
DTP*050*D8*20261120~
DTP*009*D8*20261120~
HL*2*1*21*0~
NM1*41*2*GENERAL HOSPITAL*****46*123456789~
TRN*2*{control}~
STC*A3:24:41*20261120*U*175.49~
QTY*AA*1~
AMT*YY*175.49~
SE*14*0001~
GE*1*502~
IEA*1*000000502~
"""


async def test_a_277ca_that_refuses_the_whole_file_refuses_each_claim_of_it(story: Story):
    id = await story.claim()
    [sent] = await story.send()
    said = await story.load(REFUSED_277CA.format(control=int(sent["control"])))
    assert said["problems"] == []
    assert story.rows("SELECT id, status FROM claim") == [(id, "rejected")] and story.work() == ["rejected"]


async def test_a_277ca_that_refuses_one_provider_refuses_the_claims_of_that_one(story: Story):
    other = hospital()[0] | {"id": "clinic", "identifier": [{"system": NPI, "value": "1003000126"}, *TAXES]}
    of_clinic = {"encounter": {"reference": "Encounter/second"}}
    await story.store(other, encounter(id="second", serviceProvider={"reference": "Organization/clinic"}),
                      procedure("lab2", **of_clinic))  # fmt: skip
    id = await story.claim()
    made = await actions.claim_encounter(story.billing, story.fhir.server, "Encounter/second", NOW, "Berta")
    await story.settle()
    [sent] = await story.send()
    text = REFUSED_277CA.format(control=int(sent["control"])).replace("A3:24:41*20261120*U", "A1:19*20261120*WQ")
    refused = "HL*3*2*19*0~\nNM1*85*2*CLINIC*****XX*1003000126~\nTRN*1*P1~\nSTC*A3:562:85*20261120*U*175.49~\n"
    text = text.replace("21*0~", "21*1~").replace("SE*14", f"{refused}SE*18")
    assert (await story.load(text))["problems"] == []
    assert story.rows("SELECT id, status FROM claim ORDER BY status") == [(id, "received"), (made["id"], "rejected")]

"""An erasure reaches what the interfaces keep of the patient, and of nobody else; a legal hold keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.client import HttpClient
from fhir_server.core.settings import Settings
from fhir_server.operations.erasures import InFolder
from fhir_server.security.model import Grant
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.erasing import Erasing as ErasingImages
from interfaces.erasures import work_off
from interfaces.hl7v2.assembly import apart, beside_server
from interfaces.hl7v2.engine import Engine
from interfaces.hl7v2.erasing import Erasing
from interfaces.hl7v2.interface import Hl7Interface
from interfaces.hl7v2.messages.message import Message
from interfaces.hl7v2.messages.port import Letter, Wanted
from tests.conftest import Fhir, running
from tests.system.dicom.images import encoded, image

pytestmark = pytest.mark.anyio

MRN, OTHER = "urn:oid:1.2.3.4", "urn:oid:1.2.3.5"
HOLD = {"resourceType": "Flag", "id": "hold", "status": "active", "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"code": "legal-hold"}]}}  # fmt: skip
REPORT = ("OBR|1|||8867-4^Pulse^LN", "OBX|1|NM|8867-4^Pulse^LN||70|/min|||||F")
INTERFACES = """
[sender."LAB|H"]
unknown_patient = "wait"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "hl7.toml").write_text(INTERFACES)
    return Settings(data=tmp_path / "data", synchronous="OFF", hl7=str(tmp_path / "hl7.toml"), dicom_fsync=False)


@pytest.fixture
async def hl7(fhir: Fhir) -> AsyncIterator[Hl7Interface]:
    interface = await beside_server(fhir.server, fhir.server.environment.clock)
    yield interface
    await interface.stop()


@pytest.fixture
def archive(fhir: Fhir, settings: Settings) -> Any:
    made = Archive(settings)
    fhir.server.environment.erasures.append(ErasingImages(made))
    yield made
    made.close()


async def patients(fhir: Fhir) -> None:
    """p and q have the same number of two authorities; p's other number is nobody else's."""
    for id, system in (("p", MRN), ("q", OTHER)):
        identifiers = [{"system": system, "value": "77"}, {"system": "urn:card", "value": f"card-{id}"}]
        await fhir.put(f"Patient/{id}", {"resourceType": "Patient", "id": id, "identifier": identifiers})
        await fhir.put(f"Observation/{id}", {"resourceType": "Observation", "id": id, "status": "final",
                       "code": {"text": "x"}, "subject": {"reference": f"Patient/{id}"}})  # fmt: skip


async def erased(fhir: Fhir) -> dict[str, Any]:
    answer = await fhir.post("Patient/p/$purge", {"resourceType": "Parameters"})
    assert answer.status_code == 200, answer.text
    return {each["name"]: each.get("valueInteger") for each in answer.json()["parameter"]}


async def kept(hl7: Hl7Interface, control: str, number: str, *more: str) -> Message:
    lines = (
        f"MSH|^~\\&|LAB|H|R|F|20260101||ORU^R01^ORU_R01|{control}|P|2.5",
        f"PID|1||{number}||Quux^Ada",
        *(more or REPORT),
    )
    reply = await hl7.intake.take("\r".join(lines).encode() + b"\r", "test", 10)
    if reply.later is not None:
        await reply.later
    (found,) = [each for each in await hl7.store.find(Wanted(limit=100)) if each.control == control]
    return found


async def test_messages_that_failed_wait_or_were_dismissed_go_by_the_number_with_its_authority(
    fhir: Fhir, hl7: Hl7Interface
) -> None:
    ours = "77^^^&1.2.3.4&ISO"
    failed = await kept(hl7, "1", ours, "QQ|\\", "OBR||")
    waiting = await kept(hl7, "2", f"unknown-9^^^S~{ours}")
    dismissed = await kept(hl7, "3", "77^^^&1.2.3.4&ISO&x")
    others = await kept(hl7, "4", "77^^^&1.2.3.5&ISO")
    bare = await kept(hl7, "5", "card-p")
    same = await kept(hl7, "6", "77")
    assert waiting.state == others.state == bare.state == same.state == "waiting"
    assert failed.state in ("failed", "waiting")
    await hl7.desk.dismiss(dismissed.id, "a test")
    await patients(fhir)
    told = await erased(fhir)
    assert told["messages"] == 4
    for message in (failed, waiting, dismissed, bare):
        assert await hl7.store.raw(message.id) == b""
    for message in (others, same):  # another authority's, and a number that two patients have
        assert b"77" in await hl7.store.raw(message.id)
    assert b"4 messages" in (await fhir.get("AuditEvent")).content


async def test_letters_of_the_record_go_and_a_hold_keeps_all(fhir: Fhir, hl7: Hl7Interface) -> None:
    await patients(fhir)
    for id in ("p", "q"):
        await hl7.store.post(
            "", 0, [Letter(0, "lab", f"Observation/{id}/_history/1", "ORU", "c", b"secret", "queued", 1, 1)]
        )
    await fhir.put("Flag/hold", HOLD)
    assert (await fhir.post("Patient/p/$purge", {"resourceType": "Parameters"})).status_code == 409
    assert [letter.body for letter in await hl7.store.letters()] == [b"secret", b"secret"]
    await fhir.put("Flag/hold", {**HOLD, "status": "inactive"})
    assert (await erased(fhir))["letters"] == 1
    assert {letter.key: letter.body for letter in await hl7.store.letters()} == {
        "Observation/q/_history/1": b"secret", "Observation/p/_history/1": b""
    }  # fmt: skip


def received(archive: Archive, **attributes: Any) -> str:
    made = image(**attributes)
    archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID), sender="CT")
    return made.StudyInstanceUID


async def test_images_go_with_their_files_and_rows(fhir: Fhir, archive: Archive, settings: Settings) -> None:
    await patients(fhir)
    ours = received(archive, PatientID="77", IssuerOfPatientID="1.2.3.4", PatientName="Quxenbaum")
    received(archive, PatientID="card-p", PatientName="Quxenbaum")
    given = received(archive, PatientID="elsewhere", PatientName="Quxenbaum")
    archive.write(lambda index: index.change("study", {"uid": given}, {"fhir_patient": "Patient/p"}))
    others = received(archive, PatientID="77", IssuerOfPatientID="1.2.3.5", PatientName="Other")
    same = received(archive, PatientID="77", PatientName="Same")
    archive.note("coerced", ours, before="Quxenbaum")
    step = '{"00100020": {"vr": "LO", "Value": ["card-p"]}}'
    archive.write(lambda index: index.put("procedure_step", {"uid": "1.2"}, {
        "status": "COMPLETED", "attributes": step, "sender": "CT", "changed": 1}))  # fmt: skip
    assert len(list(archive.files.digests())) == 5
    told = await erased(fhir)
    assert (told["images"], told["procedureSteps"]) == (3, 1)
    assert {row["uid"] for row in archive.reading.all("study", {})} == {others, same}
    assert len(list(archive.files.digests())) == 2
    assert archive.reading.all("event", {"subject": ours}) == []
    assert archive.reading.all("procedure_step", {}, "uid") == []
    assert {row["key"] for row in archive.reading.all("job", {})} == {others, same}
    archive.close()
    left = b"".join(file.read_bytes() for file in settings.data.rglob("dicom/**/*") if file.is_file())
    assert b"Quxenbaum" not in left and b"Same" in left


async def away(erased: Any) -> dict[str, int]:
    raise OSError("away")


async def test_what_fails_beside_the_store_leaves_the_record_to_be_erased_again(fhir: Fhir) -> None:
    await patients(fhir)
    fhir.server.environment.erasures.append(away)
    assert (await fhir.post("Patient/p/$purge", {"resourceType": "Parameters"})).status_code == 500
    assert (await fhir.get("Patient/p")).status_code == 200
    fhir.server.environment.erasures.clear()
    assert (await erased(fhir))["erased"] == 2


async def found(hl7: Hl7Interface, id: int) -> Message:
    return next(each for each in await hl7.store.find(Wanted(limit=100)) if each.id == id)


async def test_an_interface_apart_works_off_what_waits_for_it(tmp_path: Path, settings: Settings) -> None:
    async with running(msgspec.structs.replace(settings, interfaces_apart=("ward", "lab"))) as fhir:
        client = HttpClient("http://fhir.test/fhir", transport=fhir.http._transport)
        own = msgspec.structs.replace(settings, data=tmp_path / "apart")
        hl7 = await apart(own, client, fhir.server.environment.clock)
        erase = Erasing(hl7.store, Engine(hl7.interfaces, client, hl7.clock).patients)
        await patients(fhir)
        ours, theirs = await kept(hl7, "1", "card-p"), await kept(hl7, "2", "card-q")
        assert await work_off(client, "ward", erase) == 0
        said = await erased(fhir)
        assert (said["pending at ward"], said["pending at lab"]) == (1, 1)
        assert not (await found(hl7, ours.id)).erased
        assert await work_off(client, "ward", away) == 0
        assert await work_off(client, "ward", erase) == 1
        assert [(await found(hl7, each.id)).erased for each in (ours, theirs)] == [True, False]
        assert await work_off(client, "ward", erase) == 0
        receipts = (await fhir.get("AuditEvent?_sort=_lastUpdated")).json()["entry"]
        described = [each["resource"]["entity"][0]["description"] for each in receipts]
        assert "1 pending at ward" in described[0] and "1 messages" in described[1]
        assert len(list((settings.data / "erasures").iterdir())) == 1
        (waiting,) = (await fhir.get("$erasures?interface=lab")).json()["erasures"]
        for interface, id in (("ward", waiting["id"]), ("lab", "../../keys"), ("nobody", waiting["id"])):
            named = [{"name": "interface", "valueString": interface}, {"name": "done", "valueString": id}]
            answer = await fhir.post("$erasures", {"resourceType": "Parameters", "parameter": named})
            assert answer.status_code == 404, answer.text
        for number in (-1, True, "1", None):
            parts = [{"name": "what", "valueString": "images"}, {"name": "number", "valueInteger": number}]
            named = [{"name": "interface", "valueString": "lab"}, {"name": "done", "valueString": waiting["id"]}]
            told = {"resourceType": "Parameters", "parameter": [*named, {"name": "count", "part": parts}]}
            assert (await fhir.post("$erasures", told)).status_code == 400
        assert len((await fhir.get("$erasures?interface=lab")).json()["erasures"]) == 1
        await hl7.stop()
        await client.close()


async def test_what_two_processes_have_worked_off_has_one_receipt(settings: Settings) -> None:
    async with running(msgspec.structs.replace(settings, interfaces_apart=("ward",))) as fhir:
        await patients(fhir)
        await erased(fhir)
        (waiting,) = (await fhir.get("$erasures?interface=ward")).json()["erasures"]
        named = [{"name": "interface", "valueString": "ward"}, {"name": "done", "valueString": waiting["id"]}]
        told = {"resourceType": "Parameters", "parameter": named}
        with pytest.MonkeyPatch.context() as held:  # as if both had found it before one of them forgot it
            held.setattr(InFolder, "forget", lambda self, id: asyncio.sleep(0))
            answers = [await fhir.post("$erasures", told) for _ in range(2)]
        receipts = {answer.json()["parameter"][0]["valueReference"]["reference"] for answer in answers}
        assert len(receipts) == 1
        assert (await fhir.get("AuditEvent")).json()["total"] == 2  # of the record and of the interface


async def test_what_waits_for_an_interface_is_given_to_its_client_alone(settings: Settings) -> None:
    smart = msgspec.structs.replace(settings, security="smart", interfaces_apart=("ward",))
    async with running(smart) as fhir:
        for client, user, status in (("ward", "", 200), ("lab", "", 403), ("ward", "u", 403)):
            grant = Grant(family="f", client=client, scope="system/*.cruds", user=user)
            await fhir.server.security.store.begin_family("f", user, client, grant.scope)
            token = await fhir.server.security.tokens.access_token(grant, "http://fhir.test", "http://fhir.test/fhir")
            answer = await fhir.get("$erasures?interface=ward", authorization=f"Bearer {token}")
            assert answer.status_code == status, answer.text

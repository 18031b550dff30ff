"""Bodies are sealed in the store and in backups; a key that is destroyed takes its patient's record with it."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard

from fhir_server import bootstrap
from fhir_server.api import FhirServer, Request
from fhir_server.backup.folder import BackupFolder
from fhir_server.backup.restoring import restore
from fhir_server.backup.taking import back_up
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.security.encryption import FILE_NAME, DataKeys, MasterKeys
from fhir_server.security.encryption.master_keys import add_key, keep_newest
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.erasing import Erasing
from interfaces.dicom.archive.instances import instances
from interfaces.hl7v2.assembly import beside_server
from interfaces.hl7v2.messages.port import Wanted
from tests.conftest import Fhir, HeldClock
from tests.system.dicom.images import encoded, image

pytestmark = pytest.mark.anyio

SECRET = "Quxenbaumle"
NUMBER = "4711-quxen"
PATIENT = {
    "resourceType": "Patient", "id": "p", "gender": "female", "identifier": [{"value": NUMBER}],
    "contact": [{"name": {"text": SECRET}}],
}  # fmt: skip


def observation(id: str, patient: str = "p") -> dict[str, Any]:
    return {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"},
            "subject": {"reference": f"Patient/{patient}"}, "note": [{"text": SECRET}]}  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    add_key(tmp_path / "master.json")
    return Settings(data=tmp_path / "data", synchronous="OFF", encryption_keys=str(tmp_path / "master.json"))


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


async def test_bodies_are_sealed_and_everything_else_is_as_it_was(fhir: Fhir, settings: Settings) -> None:
    await fhir.put("Patient/p", PATIENT)
    await fhir.put("Patient/p", {**PATIENT, "gender": "male"})
    await fhir.put("Observation/o", observation("o"))
    assert SECRET.encode() not in on_disk(settings.data)
    assert (await fhir.get("Patient/p")).json()["contact"] == PATIENT["contact"]
    assert (await fhir.get("Patient/p/_history/1")).json()["gender"] == "female"
    assert len((await fhir.get("Patient/p/_history")).json()["entry"]) == 2
    found = (await fhir.get("Observation?subject:Patient.gender=male&_include=Observation:subject")).json()
    assert found["total"] == 1 and len(found["entry"]) == 2
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": {**PATIENT, "gender": "other"}, "request": {"method": "PUT", "url": "Patient?gender=male"}},
        {"request": {"method": "GET", "url": "Patient/p"}}]}  # fmt: skip
    answer = await fhir.post("", bundle)
    assert answer.json()["entry"][1]["resource"]["gender"] == "other", answer.text
    for search in ("Patient?_content=x", "Patient?_text=x"):
        assert (await fhir.get(search)).status_code == 400
    assert await fhir.server.check() == []


async def test_master_keys_are_rotated_beside_the_server(fhir: Fhir, settings: Settings) -> None:
    await fhir.put("Patient/p", PATIENT)
    file = Path(settings.encryption_keys)
    before = file.read_text()
    add_key(file)
    other = DataKeys(settings.data / FILE_NAME, MasterKeys(file))
    assert other.rotate() == 1
    keep_newest(file)
    await fhir.put("Patient/q", {**PATIENT, "id": "q"})
    fresh = DataKeys(settings.data / FILE_NAME, MasterKeys(file))
    raw = fhir.server.environment.store
    for id in ("p", "q"):
        sealed = (await raw.sealed("Patient", id, 1)).body
        assert SECRET.encode() in fresh.open(sealed)
    other.close()
    fresh.close()
    file.write_text(before)
    late = DataKeys(settings.data / FILE_NAME, MasterKeys(file))
    with pytest.raises(FhirError, match="master key"):
        late.open(sealed)
    late.close()


async def test_what_was_changed_on_disk_is_not_given_out(fhir: Fhir) -> None:
    await fhir.put("Patient/p", PATIENT)
    keys = fhir.server.environment.store.keys
    sealed = keys.seal("Patient/p", b"{}")
    with pytest.raises(FhirError, match="not as it was sealed"):
        keys.open(sealed[:-1] + bytes([sealed[-1] ^ 1]))


async def test_an_erasure_reaches_backups_and_a_hold_refuses_it(fhir: Fhir, settings: Settings, tmp_path: Path) -> None:
    for resource in (PATIENT, {**PATIENT, "id": "other"}, observation("o"), observation("x", "other")):
        await fhir.put(f"{resource['resourceType']}/{resource['id']}", resource)
    await back_up(fhir.server, BackupFolder(tmp_path / "backup"))
    await fhir.put("Observation/o", {**observation("o"), "status": "amended"})
    await fhir.put("Observation/x", {**observation("x", "other"), "status": "amended"})
    await back_up(fhir.server, BackupFolder(tmp_path / "backup"))
    hold = {"resourceType": "Flag", "id": "hold", "status": "active", "subject": {"reference": "Patient/p"},
            "code": {"coding": [{"code": "legal-hold"}]}}  # fmt: skip
    await fhir.put("Flag/hold", hold)
    assert (await fhir.post("Patient/p/$purge", {"resourceType": "Parameters"})).status_code == 409
    await fhir.put("Flag/hold", {**hold, "status": "inactive"})
    answer = await fhir.post("Patient/p/$purge", {"resourceType": "Parameters"})
    assert {"name": "keyDestroyed", "valueBoolean": True} in answer.json()["parameter"], answer.text
    assert (await fhir.get("Patient/p")).status_code == 404
    assert (await fhir.get("Patient/other")).status_code == 200
    for file in (tmp_path / "backup").glob("*.zst"):
        content = zstandard.ZstdDecompressor().decompressobj().decompress(file.read_bytes())
        assert NUMBER.encode() not in content and SECRET.encode() not in content, file
    restored = await restored_with_keys(settings, tmp_path)
    try:
        query = Request("GET", ("Patient",), [("identifier", NUMBER)])
        assert b'"id":"other"' in (found := (await restored.perform(query)).body) and b'"id":"p"' not in found
        for path in ("Patient/p", "Observation/o", "Patient/p/_history/1", "Observation/o/_history/2"):
            with pytest.raises(FhirError) as refused:
                await restored.perform(Request("GET", tuple(path.split("/"))))
            assert refused.value.category in ("not-found", "deleted")
        for id, version in (("x", "1"), ("x", "2")):
            found = await restored.perform(Request("GET", ("Observation", id, "_history", version)))
            assert SECRET.encode() in found.body
    finally:
        await restored.close()


async def test_a_server_that_ends_between_an_erasure_and_its_key_destroys_it_at_the_next_start(
    fhir: Fhir, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for id in ("p", "other"):
        await fhir.put(f"Patient/{id}", {**PATIENT, "id": id})
    keys = fhir.server.environment.store.keys
    keys.doom("Patient/other")  # of an erasure that never was committed

    def end(owner: str) -> bool:
        raise KeyboardInterrupt

    sealed = keys.seal("Patient/p", b"{}")
    monkeypatch.setattr(keys, "destroy", end)
    with pytest.raises(KeyboardInterrupt):
        await fhir.server.perform(Request("POST", ("Patient", "p", "$purge")))
    assert keys.open(sealed) == b"{}"
    again = await bootstrap.start(settings)
    try:
        assert again.environment.store.keys.open(sealed) is None
        assert (await again.read("Patient", "other")).id == "other"
        with pytest.raises(FhirError, match="no Patient/p"):
            await again.read("Patient", "p")
    finally:
        await again.close()


async def test_sealed_images_come_back_from_a_backup_but_for_an_erased_study(
    fhir: Fhir, settings: Settings, tmp_path: Path
) -> None:
    import msgspec

    archive = Archive(settings)
    fhir.server.environment.erasures.append(Erasing(archive))
    await fhir.put("Patient/p", PATIENT)
    made = {number: image(200, PatientID=number, PatientName=SECRET) for number in (NUMBER, "other")}
    for each in made.values():
        archive.receive(encoded(each), transfer_syntax=str(each.file_meta.TransferSyntaxUID))
    digests = {number: row["digest"] for number in made
               for row in instances(archive.reading, {"00100020": number})}  # fmt: skip
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in settings.data.rglob("*.dcm"))
    await back_up(fhir.server, BackupFolder(tmp_path / "backup"))
    answer = await fhir.post("Patient/p/$purge", {"resourceType": "Parameters"})
    assert {"name": "images", "valueInteger": 1} in answer.json()["parameter"], answer.text
    archive.close()
    await (await restored_with_keys(settings, tmp_path)).close()
    restored = Archive(msgspec.structs.replace(settings, data=tmp_path / "restored"))
    assert made["other"].PixelData in restored.files.read(digests["other"])
    with pytest.raises(FhirError, match="destroyed"):
        restored.files.read(digests[NUMBER])
    restored.close()


async def restored_with_keys(settings: Settings, tmp_path: Path) -> FhirServer:
    """The backup in a new folder, with the live file of data keys."""
    import msgspec

    there = msgspec.structs.replace(settings, data=tmp_path / "restored")
    there.data.mkdir()
    (there.data / FILE_NAME).write_bytes((settings.data / FILE_NAME).read_bytes())

    restoring = partial(bootstrap.start, there, HeldClock(), restoring=True)
    await restore(BackupFolder(tmp_path / "backup"), there.data, restoring)
    return await bootstrap.start(there, HeldClock())


async def test_a_sealed_store_does_not_open_without_its_keys(fhir: Fhir, settings: Settings) -> None:
    import msgspec

    await fhir.put("Patient/p", PATIENT)
    with pytest.raises(FhirError, match="encryption_keys"):
        await bootstrap.start(msgspec.structs.replace(settings, encryption_keys=""), HeldClock())


async def test_an_erasure_reaches_the_messages_that_were_filed_to_the_patient(fhir: Fhir) -> None:
    interface = await beside_server(fhir.server, fhir.server.environment.clock)
    raw = b"MSH|^~\\&|S|F|R|F|20260101||ADT^A04^ADT_A01|1|P|2.5\rEVN||20260101\rPID|1||4711^^^MRN||Quux^Ada\rPV1|1|O\r"
    try:
        reply = await interface.intake.take(raw, "test", 10)
        if reply.later is not None:
            await reply.later
        (kept,) = await interface.store.find(Wanted(state="done"))
        patient = next(link for link in kept.links if link.startswith("Patient/")).partition("/_history")[0]
        answer = (await fhir.post(f"{patient}/$purge", {"resourceType": "Parameters"})).json()
        told = {each["name"]: each.get("valueInteger") for each in answer["parameter"]}
        assert told["messages"] == 1 and await interface.store.raw(kept.id) == b""
    finally:
        await interface.stop()

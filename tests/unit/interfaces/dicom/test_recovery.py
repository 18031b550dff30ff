"""What the next start makes of files that no index row names."""

from __future__ import annotations

import time

import msgspec
import pytest

from fhir_server.core.errors import FhirError, error
from fhir_server.core.settings import Settings
from fhir_server.security.encryption.master_keys import add_key
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.placing import Outcome
from interfaces.dicom.archive.recovery import OVERLAP, recover
from tests.system.dicom.images import encoded, image


@pytest.fixture(params=["clear", "sealed"])
def settings(request, tmp_path):
    made = Settings(data=tmp_path / "data", dicom_fsync=False, dicom_reserve_mb=0)
    if request.param == "clear":
        return made
    add_key(tmp_path / "master.json")
    return msgspec.structs.replace(made, encryption_keys=str(tmp_path / "master.json"))


@pytest.fixture
def archive(settings):
    archive = Archive(settings)
    yield archive
    archive.close()


STUDY = "1.2.826.0.1.3680043.8.498.1"
TABLES = ("job", "note", "instance", "series", "study", "patient")


def issuer_of(sender):
    return {"CT1": "Radiology"}.get(sender, "Hospital")


def one_file(archive, sender=""):
    made = image(StudyInstanceUID=STUDY)
    archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID), sender=sender)
    for table in TABLES:
        archive.write(lambda index, table=table: index.remove(table, {}))
    [digest] = archive.files.digests()
    return archive.folder / "files" / digest[:2] / f"{digest}.dcm"


def test_a_whole_one_is_put_into_the_index(archive):
    path = one_file(archive)
    assert recover(archive, issuer_of, everything=True) == 1 and path.exists()


@pytest.mark.parametrize(("sender", "told", "issuer"), [("CT1", "CT1", "Radiology"), ("", "recovered", "Hospital")])
def test_it_has_its_sender_and_whoever_issues_that_ones_patient_ids(archive, sender, told, issuer):
    one_file(archive, sender)
    [digest] = archive.files.digests()
    if sender and not archive.files.sender(digest):
        pytest.skip("this file system keeps no extended attributes")
    recover(archive, issuer_of, everything=True)
    [study], [patient] = (archive.reading.all(table, {}) for table in ("study", "patient"))
    assert (study["sender"], patient["issuer"]) == (told, issuer)


def test_one_that_a_power_failure_tore_is_removed(archive):
    path = one_file(archive)
    path.write_bytes(path.read_bytes()[:-100] + b"\0" * 100)
    assert recover(archive, issuer_of, everything=True) == 0 and not path.exists()


def test_one_that_was_replaced_is_gone_and_does_not_come_back(archive, monkeypatch):
    archive.settings = msgspec.structs.replace(archive.settings, dicom_duplicates="replace")
    first = image(StudyInstanceUID=STUDY, StudyDescription="first")
    second = image(StudyInstanceUID=STUDY, StudyDescription="second", SOPInstanceUID=first.SOPInstanceUID)

    def sent(made):
        outcome = archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
        [row] = archive.reading.all("instance", {})
        return outcome, row["digest"], set(archive.files.digests())

    _, digest, _ = sent(first)
    for made in (second, first, second):
        outcome, digest, there = sent(made)
        assert outcome is Outcome.REPLACED and there == {digest}
    with monkeypatch.context() as killed:  # before the file goes
        killed.setattr(archive.files, "delete", lambda digest: None)
        _, digest, there = sent(first)
        assert len(there) == 2
    assert recover(archive, issuer_of, everything=True) == 0
    [row] = archive.reading.all("instance", {})
    assert row["digest"] == digest and set(archive.files.digests()) == {digest}


@pytest.mark.parametrize("settings", ["sealed"], indirect=True)
def test_one_whose_key_is_not_at_hand_stays(archive):
    path = one_file(archive)
    [digest] = archive.files.digests()
    archive.destroy_key(STUDY)
    assert recover(archive, issuer_of, everything=True) == 0 and path.exists()
    with pytest.raises(FhirError, match="destroyed"):
        archive.files.read(digest)


def test_one_that_could_not_be_put_there_yet_is_looked_at_again(archive):
    one_file(archive)

    def unreadable(sender):
        raise error("value", "the peers' file is wrong")

    archive.clock = lambda: int((time.time() + 2 * OVERLAP) * 1_000_000)
    assert recover(archive, unreadable) == 0
    assert recover(archive, issuer_of) == 1


@pytest.mark.parametrize("settings", ["sealed"], indirect=True)
def test_sealed_files_are_not_opened_without_their_keys(settings, archive):
    with pytest.raises(FhirError, match="encryption_keys"):
        Archive(msgspec.structs.replace(settings, encryption_keys=""))

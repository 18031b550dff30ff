"""What the next start makes of files that no index row names."""

from __future__ import annotations

import msgspec
import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.security.encryption.master_keys import add_key
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.recovery import recover
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


def one_file(archive):
    made = image()
    archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
    archive.write(lambda index: index.remove("instance", {}))
    [digest] = archive.files.digests()
    return archive.folder / "files" / digest[:2] / f"{digest}.dcm"


def test_a_whole_one_is_put_into_the_index(archive):
    path = one_file(archive)
    assert recover(archive, everything=True) == 1 and path.exists()


def test_one_that_a_power_failure_tore_is_removed(archive):
    path = one_file(archive)
    path.write_bytes(path.read_bytes()[:-100] + b"\0" * 100)
    assert recover(archive, everything=True) == 0 and not path.exists()


@pytest.mark.parametrize("settings", ["sealed"], indirect=True)
def test_one_whose_key_is_not_at_hand_stays(archive):
    path = one_file(archive)
    [digest] = archive.files.digests()
    archive.destroy_key(archive.reading.all("study", {})[0]["uid"])
    assert recover(archive, everything=True) == 0 and path.exists()
    with pytest.raises(FhirError, match="destroyed"):
        archive.files.read(digest)


@pytest.mark.parametrize("settings", ["sealed"], indirect=True)
def test_sealed_files_are_not_opened_without_their_keys(settings, archive):
    with pytest.raises(FhirError, match="encryption_keys"):
        Archive(msgspec.structs.replace(settings, encryption_keys=""))

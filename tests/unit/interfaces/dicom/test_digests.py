"""Files kept when names were SHA-256 digests are still known by their content."""

from __future__ import annotations

import hashlib

import pytest

from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.placing import Outcome
from interfaces.dicom.archive.recovery import recover
from tests.system.dicom.images import encoded, image


@pytest.fixture
def archive(tmp_path):
    archive = Archive(Settings(data=tmp_path / "data", dicom_fsync=False, dicom_reserve_mb=0))
    yield archive
    archive.close()


@pytest.fixture
def kept(archive):
    """An instance whose file has the name that it had before BLAKE3."""
    made = image()
    receive(archive, made)
    [digest] = archive.files.digests()
    content = archive.files.read(digest)
    before = hashlib.sha256(content).hexdigest()
    path = archive.files.local(before)
    path.write_bytes(content)
    archive.files.delete(digest)
    archive.write(lambda index: index.change("instance", {}, {"digest": before}))
    return made, path


def receive(archive, made):
    return archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))


def test_the_same_bytes_again_are_a_success_and_no_second_file(archive, kept):
    made, path = kept
    assert receive(archive, made) is Outcome.SAME
    assert list(archive.files.digests()) == [path.stem]


def test_other_bytes_are_a_duplicate(archive, kept):
    made, path = kept
    made.InstanceNumber = 99
    assert receive(archive, made) is Outcome.REFUSED
    assert list(archive.files.digests()) == [path.stem]


def test_a_file_without_a_row_is_put_into_the_index_under_its_name(archive, kept):
    archive.write(lambda index: index.remove("instance", {}))
    assert recover(archive, lambda sender: "", everything=True) == 1
    assert archive.reading.one("instance", {"digest": kept[1].stem}) is not None

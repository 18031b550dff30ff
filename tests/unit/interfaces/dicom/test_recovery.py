"""What the next start makes of files that no index row names."""

from __future__ import annotations

import pytest

from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.recovery import recover
from tests.system.dicom.images import encoded, image


@pytest.fixture
def archive(tmp_path):
    archive = Archive(Settings(data=tmp_path, dicom_fsync=False, dicom_reserve_mb=0))
    yield archive
    archive.close()


def one_file(archive):
    made = image()
    archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
    archive.write(lambda index: index.remove("instance", {}))
    [digest] = archive.files.digests()
    return archive.files.local(digest)


def test_a_whole_one_is_put_into_the_index(archive):
    path = one_file(archive)
    assert recover(archive, everything=True) == 1 and path.exists()


def test_one_that_a_power_failure_tore_is_removed(archive):
    path = one_file(archive)
    path.write_bytes(path.read_bytes()[:-100] + b"\0" * 100)
    assert recover(archive, everything=True) == 0 and not path.exists()

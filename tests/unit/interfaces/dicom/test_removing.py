"""Bytes that come again while they are removed: what is answered as kept is there."""

from __future__ import annotations

import threading

import pytest

from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.receiving import Announced
from tests.system.dicom.images import encoded, image

ROUNDS = 150


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", dicom_fsync=False, dicom_reserve_mb=0)


@pytest.fixture
def archive(settings):
    archive = Archive(settings)
    yield archive
    archive.close()


def test_a_file_that_goes_before_it_is_named_is_not_answered_as_kept(archive, monkeypatch):
    made = image()
    sent = encoded(made)
    syntax = str(made.file_meta.TransferSyntaxUID)
    archive.receive(sent, transfer_syntax=syntax)
    again = archive.begin(Announced(str(made.SOPClassUID), str(made.SOPInstanceUID), syntax))
    again.write((sent,))
    place = archive.place

    def removed_first(*given, **named):
        assert archive.delete({"0020000D": str(made.StudyInstanceUID)}) == 1
        return place(*given, **named)

    monkeypatch.setattr(archive, "place", removed_first)
    with pytest.raises(OSError, match="send them again"):
        again.finish()
    monkeypatch.undo()
    assert archive.reading.one("instance", {}) is None and not list(archive.files.digests())
    archive.receive(sent, transfer_syntax=syntax)
    [digest] = archive.files.digests()
    assert archive.reading.one("instance", {"digest": digest}) is not None


def test_each_row_has_its_file_however_often_both_happen_at_once(archive, settings):
    made = image()
    sent, syntax = encoded(made), str(made.file_meta.TransferSyntaxUID)
    other = Archive(settings)  # as another process has it
    ended = threading.Event()

    def remove() -> None:
        while not ended.is_set():
            other.delete({"0020000D": str(made.StudyInstanceUID)})

    removing = threading.Thread(target=remove)
    removing.start()
    kept = 0
    try:
        for _ in range(ROUNDS):
            try:
                archive.receive(sent, transfer_syntax=syntax)
            except OSError:
                continue
            kept += 1
    finally:
        ended.set()
        removing.join()
        other.close()
    assert kept
    named = {row["digest"] for row in archive.reading.all("instance", {})}
    assert named == set(archive.files.digests())

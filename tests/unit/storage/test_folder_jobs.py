"""Jobs in a folder whose deletion is broken off."""

import shutil
from pathlib import Path

import pytest

from fhir_server.storage.files.jobs import FolderJobs

pytestmark = pytest.mark.anyio


async def test_a_deletion_that_is_broken_off_leaves_no_data_and_can_be_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = FolderJobs(tmp_path)
    await jobs.create("a", b"{}", {"Patient.1.ndjson": b"{}\n"})
    with monkeypatch.context() as broken, pytest.raises(OSError, match="ended here"):
        broken.setattr(shutil, "rmtree", ended)
        await jobs.delete("a")
    assert not (tmp_path / "a" / "Patient.1.ndjson").exists() and await jobs.all() == [b"{}"]
    await jobs.delete("a")
    assert await jobs.all() == [] and not (tmp_path / "a").exists()


def ended(*_: object) -> None:
    raise OSError("ended here")

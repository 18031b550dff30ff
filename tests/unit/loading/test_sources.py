import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from fhir_server.loading.sources import Document, Passed, Refusal, documents, size

PATIENT = b'{"resourceType":"Patient"}'


def tar_of(names: list[str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(PATIENT)
            archive.addfile(member, io.BytesIO(PATIENT))
    return packed.getvalue()


def zip_of(names: list[str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, PATIENT)
    return packed.getvalue()


def read(paths):
    return [(found.name.rpartition("/")[2], found.kind, found.stream.read()) for found in documents(paths)]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.json", PATIENT, "json"),
        ("a.NDJSON", PATIENT, "ndjson"),
        ("a.xml", PATIENT, "xml"),
        ("a.json.gz", gzip.compress(PATIENT, mtime=0), "json"),
        ("a.ndjson.zst", zstandard.compress(PATIENT), "ndjson"),
    ],
)
def test_a_file_is_unpacked_and_its_kind_told(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content)
    assert read([tmp_path / name]) == [(name, kind, PATIENT)]


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.tar", tar_of),
        ("a.tar.gz", lambda names: gzip.compress(tar_of(names))),
        ("a.tgz", lambda names: gzip.compress(tar_of(names))),
        ("a.tar.zst", lambda names: zstandard.compress(tar_of(names))),
        ("a.zip", zip_of),
    ],
)
def test_an_archive_gives_its_documents(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(["1.json", "2.json"]))
    assert read([tmp_path / name]) == [(f"{name}:1.json", "json", PATIENT), (f"{name}:2.json", "json", PATIENT)]


def test_a_folder_gives_its_files_and_archives_in_the_order_of_names(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.json").write_bytes(PATIENT)
    (tmp_path / "a.zip").write_bytes(zip_of(["1.json"]))
    assert [name for name, *_ in read([tmp_path])] == ["a.zip:1.json", "2.json"]


def test_what_is_no_resource_in_a_folder_is_passed_over_by_name(tmp_path):
    (tmp_path / "README.md").write_text("x")
    assert list(documents([tmp_path])) == [Passed(str(tmp_path / "README.md"))]


def test_what_packages_and_systems_add_is_not_looked_at(tmp_path):
    for name in ("package.json", ".index.json", ".DS_Store", "a.json"):
        (tmp_path / name).write_text("x")
    (found,) = documents([tmp_path])
    assert Path(found.name).name == "a.json"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.zip", b"PK no", "can't be read"),
        ("a.tar.gz", b"no", "can't be read"),
        ("a.tar.zst", b"no", "can't be read"),
        ("a.tar.gz", gzip.compress(tar_of(["1.json"]), mtime=0)[:-30], "can't be read"),
        ("a.docx", b"", "known are .json"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    refusals = [found for found in documents([tmp_path / name]) if isinstance(found, Refusal)]
    assert len(refusals) == 1 and said in refusals[0].reason


def test_a_path_that_is_not_there_is_refused(tmp_path):
    (refusal,) = documents([tmp_path / "none"])
    assert isinstance(refusal, Refusal) and "no such file" in refusal.reason


def test_progress_counts_the_bytes_on_the_disk(tmp_path):
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(PATIENT * 1000))
    (tmp_path / "b.json").write_bytes(PATIENT)
    read_bytes = []
    for found in documents([tmp_path], read_bytes.append):
        assert isinstance(found, Document)
        found.stream.read()
    assert sum(read_bytes) == size([tmp_path])


def test_a_folder_that_cannot_be_looked_into_is_told_and_the_others_are_read(tmp_path, monkeypatch):
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.json").write_bytes(PATIENT)
    listed = os.scandir

    def scandir(path):  # as root may look into any
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    refusal, document = documents([tmp_path])
    assert refusal == Refusal(str(tmp_path / "closed"), "It can't be looked into: Permission denied.")
    assert document.name == str(tmp_path / "open" / "a.json")

"""Both places for files: a folder, and an object store by fsspec; each with its files sealed, too."""

import os
import random
from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.security.encryption import DataKeys, MasterKeys
from fhir_server.security.encryption.master_keys import add_key, keep_newest
from interfaces.dicom.archive import digests
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.files import Away, ObjectFiles, Torn
from interfaces.dicom.archive.flushing import writes_past_the_cache
from interfaces.dicom.archive.instances import file_of, instances
from interfaces.dicom.archive.local_files import BUFFER, DIRECT, LocalFiles
from interfaces.dicom.archive.sealed_files import BLOCK, HEAD, TAG, SealedFiles
from interfaces.dicom.work.commitment import report
from tests.system.dicom.conftest import free_port
from tests.system.dicom.images import encoded, image


@pytest.fixture(params=["folder", "object store"])
def place(request, tmp_path):
    return LocalFiles(tmp_path) if request.param == "folder" else ObjectFiles(f"memory://{tmp_path.name}-{os.getpid()}")


@pytest.fixture
def keys(tmp_path):
    add_key(tmp_path / "master.json")
    made = DataKeys(tmp_path / "keys.sqlite", MasterKeys(tmp_path / "master.json"))
    yield made
    made.close()


@pytest.fixture(params=["clear", "sealed"])
def kept(request, place, keys):
    return place if request.param == "clear" else SealedFiles(place, keys)


def put(files, content, study="1.2"):
    hashing = digests.start(b"")
    writing = files.begin(content[:1], update=hashing.update)
    writing.write(content[1:2])
    writing.write(content[2:3], content[3:])
    assert writing.view() == content and writing.ended() == len(content)
    digest = digests.name(hashing)
    assert digests.names(digest, content)
    return digest, writing.keep(digest, study)


def test_what_is_put_is_read_whole_and_in_parts(kept):
    digest, new = put(kept, b"0123456789")
    assert new and kept.read(digest) == b"0123456789" and kept.read(digest, 2, 3) == b"234"
    assert put(kept, b"0123456789") == (digest, False)


def test_an_object_store_that_is_away_is_no_proof_that_a_file_is_lost(tmp_path):
    settings = Settings(data=tmp_path, dicom_reserve_mb=0, dicom_fsync=False, dicom_storage=f"memory://{tmp_path.name}")
    archive, made = Archive(settings), image(StudyInstanceUID="1.2.7")
    archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
    archive.files = ObjectFiles(f"webhdfs://127.0.0.1:{free_port()}/dicom")
    [row] = instances(archive.reading, {"0020000D": "1.2.7"})
    for asked in (
        lambda: archive.receive(encoded(image()), transfer_syntax=str(made.file_meta.TransferSyntaxUID)),
        lambda: file_of(archive, row),
        lambda: report(archive, "1.2.3", [[made.SOPClassUID, made.SOPInstanceUID]]),
    ):
        with pytest.raises(Away, match="does not answer") as told:
            asked()
        assert told.value.status == 503 and "127.0.0.1" not in str(told.value)
    assert archive.reading.all("event", {"kind": "lost"}) == []
    archive.close()


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("size", [DIRECT - 1, DIRECT, DIRECT + 4097, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER + 5])
def test_a_file_has_what_came_whether_past_the_page_cache_or_not(tmp_path, size, direct):
    files = LocalFiles(tmp_path)
    files.direct = direct and files.direct
    content = random.Random(size).randbytes(size)
    for cuts in ((), (1, 7), (DIRECT, DIRECT + 1), (BUFFER,)):
        hashing = digests.start(b"")
        writing = files.begin(content[:5], update=hashing.update)
        for start, end in zip((5, *(5 + cut for cut in cuts)), (*(5 + cut for cut in cuts), size), strict=True):
            writing.write(content[start:end])
        assert writing.ended() == size and writing.view() == content
        digest = digests.name(digests.start(content))
        assert digests.name(hashing) == digest
        assert writing.keep(digest, "1.2") and files.read(digest) == content
        files.delete(digest)


def test_files_that_arrive_at_once_have_a_buffer_each_and_leave_it_to_the_next(tmp_path):
    files = LocalFiles(tmp_path)
    one, other = files.begin(), files.begin()
    one.write(b"one")
    other.write(b"other")
    assert (one.view(), other.view()) == (b"one", b"other")
    used = [id(writing.view().obj) for writing in (one, other)]
    one.keep("01-b3", "1.2")
    other.discard()
    following = files.begin()
    following.write(b"following")
    assert id(following.view().obj) in used and files.read("01-b3") == b"one"
    following.discard()


def test_a_file_system_that_takes_no_writes_past_the_page_cache_is_found_out():
    assert not writes_past_the_cache(Path("/proc"))


def test_what_is_deleted_is_gone(kept):
    digest, _ = put(kept, b"gone")
    kept.delete(digest)
    kept.delete(digest)
    assert digest not in set(kept.digests())
    with pytest.raises(FileNotFoundError):
        kept.read(digest)


def test_all_are_listed(kept):
    digests = {put(kept, bytes([number]) * 3)[0] for number in range(5)}
    assert set(kept.digests()) == digests


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_any_part_of_a_sealed_file_is_what_it_was(place, keys, size):
    content = random.Random(size).randbytes(size)
    files = SealedFiles(place, keys)
    digest, _ = put(files, content)
    assert files.read(digest) == content
    assert size < BLOCK - 1 or content[:32] not in place.read(digest)
    for start in (0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 1, size - 1, size, size + 5):
        for length in (0, 1, BLOCK, BLOCK + 2, size + 9):
            if start >= 0:
                assert files.read(digest, start, length) == content[start : start + length], (start, length)


def test_a_part_is_read_without_the_whole(place, keys):
    asked = []

    class Watched:
        def __getattr__(self, name):
            return getattr(place, name)

        def read(self, digest, start=0, length=-1):
            asked.append((start, length))
            return place.read(digest, start, length)

    files = SealedFiles(Watched(), keys)
    digest, _ = put(files, bytes(10 * BLOCK))
    files.read(digest, 4 * BLOCK + 5, 10)
    assert asked == [(0, HEAD), (HEAD + 4 * (BLOCK + TAG), BLOCK + TAG)]


def test_files_from_before_there_were_keys_are_read(place, keys):
    digest, _ = put(place, b"0123456789")
    files = SealedFiles(place, keys)
    assert files.read(digest) == b"0123456789" and files.read(digest, 2, 3) == b"234"


def test_a_study_whose_key_is_destroyed_is_gone_from_every_copy_and_no_other(place, keys):
    ours, others = (put(SealedFiles(place, keys), text, study)[0] for text, study in ((b"ours", "1"), (b"others", "2")))
    assert SealedFiles(place, keys).destroy("1")
    with pytest.raises(FhirError, match="destroyed"):
        SealedFiles(place, keys).read(ours)
    assert SealedFiles(place, keys).read(others) == b"others"


def test_rotated_master_keys_open_what_was_sealed_before(place, keys, tmp_path):
    digest, _ = put(SealedFiles(place, keys), b"0123456789")
    add_key(tmp_path / "master.json")
    other = DataKeys(tmp_path / "keys.sqlite", MasterKeys(tmp_path / "master.json"))
    other.rotate()
    keep_newest(tmp_path / "master.json")
    assert SealedFiles(place, other).read(digest) == b"0123456789"
    other.close()


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c[:-1] + bytes([c[-1] ^ 1]), lambda c: c[:HEAD]])
def test_what_was_changed_on_disk_is_not_given_out(tmp_path, keys, change):
    files = SealedFiles(LocalFiles(tmp_path / "files"), keys)
    digest, _ = put(files, bytes(BLOCK + 5))
    [path] = (tmp_path / "files").glob("*/*.dcm")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(Torn):
        files.read(digest)
    with pytest.raises(Torn):
        files.read(digest, BLOCK, 5)

"""Both places for files: a folder, and an object store by fsspec."""

import hashlib
import os

import pytest

from interfaces.dicom.archive.files import ObjectFiles
from interfaces.dicom.archive.local_files import LocalFiles


@pytest.fixture(params=["folder", "object store"])
def kept(request, tmp_path):
    return LocalFiles(tmp_path) if request.param == "folder" else ObjectFiles(f"memory://{tmp_path.name}-{os.getpid()}")


def put(files, content):
    digest = hashlib.sha256(content).hexdigest()
    writing = files.begin()
    writing.write(content[:2])
    writing.write(content[2:])
    assert writing.view() == content
    return digest, writing.keep(digest)


def test_what_is_put_is_read_whole_and_in_parts(kept):
    digest, new = put(kept, b"0123456789")
    assert new and kept.read(digest) == b"0123456789" and kept.read(digest, 2, 3) == b"234"
    assert put(kept, b"0123456789") == (digest, False)


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

"""What a journal was given is read back, with writes past the page cache and without."""

import os

import pytest

from fhir_server.security.audit.direct import PAGE, ROOM
from fhir_server.security.audit.journal import Journal, Journals

SIZES = (1, 100, PAGE - 8, PAGE, 3 * PAGE + 5, 17, ROOM, ROOM + 1, 300_000, 9)


@pytest.mark.parametrize("without", [False, True])
def test_blocks_of_any_size_are_read_back_by_others_as_soon_as_they_are_written(tmp_path, monkeypatch, without):
    if without:
        monkeypatch.setattr(os, "O_DIRECT", 0)
    journal = Journal(tmp_path, 0)
    journals = Journals(tmp_path)
    (name,) = journals.names()
    written = []
    for number, size in enumerate(SIZES):
        written.append(bytes([number + 1]) * size)
        journal.append(written[-1])
        found = journals.read(name, 0)
        assert found.blocks == written and found.whole and found.end == journal.position
    journal.close()


def test_what_a_longer_block_had_is_not_left_behind_a_shorter_one(tmp_path):
    journal = Journal(tmp_path, 0)
    journal.append(b"a" * 3 * PAGE)
    journal.append(b"b")
    journal.close()
    (path,) = tmp_path.glob("*.journal")
    assert not any(path.read_bytes()[journal.position :])


def test_one_that_another_process_took_in_and_removed_meanwhile_has_nothing_more(tmp_path):
    journal, journals = Journal(tmp_path, 0), Journals(tmp_path)
    journal.append(b"a")
    (name,) = journals.names()
    journal.close()
    place = journals.read(name, 0).end
    journals.remove_finished(name, place)
    assert not journals.names()
    assert journals.read(name, place) == ([], place, True)


def test_what_the_system_writes_in_parts_is_whole(tmp_path, monkeypatch):
    journal, journals, write = Journal(tmp_path, 0), Journals(tmp_path), os.pwrite
    lengths = []

    def some(file, data, place):
        lengths.append(len(data))
        return write(file, data[: 2 * PAGE], place) - (PAGE // 2 if len(data) > 2 * PAGE else 0)

    monkeypatch.setattr(os, "pwrite", some)
    blocks = [bytes([number + 1]) * size for number, size in enumerate((5 * PAGE + 7, 9, 3 * PAGE))]
    for block in blocks:
        journal.append(block)
    journal.close()
    (name,) = journals.names()
    assert journals.read(name, 0).blocks == blocks and len(lengths) > len(blocks)

"""A file appears whole under its name, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_server.core.flushing import whole_file


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "name"
    with whole_file(path, 0o600) as file:
        file.write(b"first")
        assert not path.exists()
    assert path.read_bytes() == b"first" and path.stat().st_mode & 0o777 == 0o600


def test_the_file_before_stays_where_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"before")
    with pytest.raises(RuntimeError), whole_file(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"before" and [each.name for each in tmp_path.iterdir()] == ["name"]

"""Names are compared without accents and case, but letters that differ stay apart."""

from __future__ import annotations

import sqlite3

import pytest

from interfaces.dicom.archive.names import folded
from interfaces.dicom.archive.sqlite.database import connect


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Müller^Jörg", "MULLER^JORG"),
        ("Buc^Jérôme^^^", "BUC^JEROME"),
        ("やまだ^たろう", "やまだ^たろう"),
        ("ﾔﾏﾀﾞ", "ヤマダ"),
        ("김희중", "김희중"),
        ("Διονυσιος", "ΔΙΟΝΥΣΙΟΣ"),
    ],
)
def test_a_name_is_folded(name, expected):
    assert folded(name) == expected


def test_names_and_dates_that_an_older_index_keeps_are_compared_as_new_ones(tmp_path):
    path = tmp_path / "index.sqlite"
    connect(path).close()
    with sqlite3.connect(path) as before:
        before.execute("INSERT INTO patient VALUES (1, 'P', '', ?, '1970.01.31', '', '{}')", ("\u1100\u1175\u11b7",))
        before.execute("PRAGMA user_version=2")
    before.close()
    with connect(path) as found:
        assert tuple(found.execute("SELECT name, birth_date FROM patient").fetchone()) == ("김", "19700131")
    found.close()

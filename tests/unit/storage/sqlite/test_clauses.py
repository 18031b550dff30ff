"""Every clause, alone and combined, finds what a plain reading of the values finds."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.core.query import Query
from fhir_server.storage.sqlite.search import unsorted
from tests.unit.storage.sqlite.shelf import run
from tests.unit.storage.sqlite.world import CLAUSES, TYPES, clauses, type_lists, worlds

SLOW = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("kind", sorted(CLAUSES))
@SLOW
@given(data=st.data())
def test_a_clause_finds_what_its_meaning_says(kind, data):
    shelf, world = data.draw(worlds)
    for _ in range(8):
        types, where = data.draw(type_lists), data.draw(CLAUSES[kind])
        agree(shelf, world, types, where)


@settings(SLOW, max_examples=200)
@given(data=st.data())
def test_clauses_combine_in_any_way(data):
    shelf, world = data.draw(worlds)
    for _ in range(5):
        agree(shelf, world, data.draw(type_lists), data.draw(clauses))


@pytest.mark.parametrize("least", [0, 64])
@settings(SLOW, max_examples=60)
@given(data=st.data())
def test_every_way_to_a_match_gives_the_same(least, data):
    shelf, world = data.draw(worlds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unsorted, "LEAST", least)  # 0: look along the resources rather than gather the matches
        agree(shelf, world, TYPES, data.draw(clauses))


def agree(shelf, world, types, where):
    expected = [(item.type, item.id) for item in world.find(types, where)]
    page = shelf.page(Query(types, where, count=100))
    assert [(found.type, found.id) for found in page.matches] == expected
    assert page.total == len(expected)
    assert run(shelf.index.count(types, where)) == len(expected)

"""The index over a store in a file: long searches, transactions, erasure."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Write
from fhir_server.core.query import (
    EVERYTHING,
    All,
    Any,
    Chain,
    Has,
    IdIn,
    Missing,
    NarrativeHas,
    Not,
    Query,
    RefersTo,
    SortKey,
    StringIs,
    TokenIn,
    TokenIs,
    TypeIn,
    UpdatedIs,
)
from fhir_server.core.values import REFERENCE, STRING, TOKEN
from fhir_server.storage.sqlite import index as timing
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.search import settled, unsorted
from fhir_server.storage.sqlite.search.reader import Limit
from fhir_server.storage.sqlite.store import SqliteStore
from tests.unit.storage.sqlite.shelf import START, Shelf, run

CODE = TokenIs(("code",), None, "a")


def store_in(folder, **limits):
    return SqliteStore(folder / "s.sqlite", lambda: START, lambda c, known: SqliteSearchIndex(c, known, **limits))


def write(id, *values, version=1, type="Observation"):
    return Write(type, id, version, START, "PUT", b'{"note":"fever"}', values)


async def fill(store, count):
    async def work(transaction):
        for number in range(count):
            await transaction.put(write(f"o{number}", (TOKEN, "code", "", "a")))

    await store.commit(work)


@pytest.fixture
def impatient(monkeypatch):
    """The event loop waits for nothing."""
    monkeypatch.setattr(timing, "QUICK", Limit(60.0, 0))


def test_a_long_search_goes_on_beside_the_event_loop(tmp_path, impatient):
    async def go():
        store = store_in(tmp_path)
        await fill(store, 3000)
        pages = [store.index.search(Query(("Observation",), Not(CODE), count=9, total="accurate")) for _ in range(5)]
        totals = [page.total for page in await asyncio.gather(*pages)]
        found = await store.index.search(Query(("Observation",), NarrativeHas(("fever",), "content"), count=2))
        await store.index.close()
        await store.close()
        return totals, len(found.matches)

    assert run(go()) == ([0] * 5, 2)


def test_a_search_that_takes_too_long_is_given_up(tmp_path, impatient):
    async def go():
        store = store_in(tmp_path, time_limit=-1.0)
        await fill(store, 3000)
        try:
            await store.index.search(Query(("Observation",), NarrativeHas(("x",), "content")))
        finally:
            assert (await store.index.search(Query(("Observation",), IdIn(("o1",))))).matches
            await store.index.close()
            await store.close()

    with pytest.raises(FhirError, match="given up") as refused:
        run(go())
    assert refused.value.category == "too-costly"


def test_a_transaction_finds_what_it_has_written_and_others_do_not(tmp_path):
    async def go():
        store = store_in(tmp_path)
        outside = Query(("Observation",), CODE)
        await store.index.search(outside)

        async def work(transaction):
            await transaction.put(write("new", (TOKEN, "code", "", "a")))
            inside = await transaction.matches("Observation", CODE)
            return [version.id for version in inside], (await store.index.search(outside)).matches

        seen = await store.commit(work)
        after = await store.index.search(outside)
        await store.close()
        return seen, [version.id for version in after.matches]

    assert run(go()) == ((["new"], []), ["new"])


def test_what_was_rolled_back_is_not_remembered(tmp_path):
    async def go():
        store = store_in(tmp_path)

        async def failing(transaction):
            await transaction.put(write("gone", (TOKEN, "code", "", "a"), type="Basic"))
            assert await transaction.matches("Basic", CODE)
            raise ValueError

        async def other(transaction):
            await transaction.put(write("kept", (TOKEN, "kind", "", "b"), type="Flag"))
            return [await transaction.matches(type, where) for type, where in cases]

        kind = TokenIs(("kind",), None, "b")
        cases = [("Basic", CODE), ("Basic", EVERYTHING), ("Flag", CODE), ("Flag", kind)]
        with pytest.raises(ValueError):
            await store.commit(failing)
        found = await store.commit(other)
        await store.close()
        return [[version.id for version in versions] for versions in found]

    assert run(go()) == [[], [], [], ["kept"]]


def test_counts_are_by_type_and_leave_out_what_is_deleted():
    shelf = Shelf()
    shelf.put("Patient", "a", (REFERENCE, "link", "Person", "never", ""))
    shelf.put("Patient", "b")
    shelf.put("Group", "c")
    shelf.delete("Patient", "b")
    assert run(shelf.index.counts()) == {"Group": 1, "Patient": 1}


def test_a_type_and_a_field_that_no_resource_has_find_nothing():
    shelf = Shelf()
    shelf.put("Patient", "a")
    assert shelf.ids("Group", EVERYTHING) == []
    assert shelf.ids("Patient", TokenIs(("unheard",), None, "a")) == []
    assert shelf.ids("Patient", Not(TokenIs(("unheard",), None, "a"))) == ["a"]


def test_a_type_chooses_the_fields_of_the_clauses_beside_it():
    shelf = Shelf()
    shelf.put("Patient", "p", (TOKEN, "code", "", "a"))
    shelf.put("Group", "g", (TOKEN, "code", "", "a"))
    shelf.put("Flag", "f", (TOKEN, "code", "", "b"))
    where = Any((All((TypeIn(("Patient",)), CODE)), All((TypeIn(("Flag",)), Not(CODE)))))
    page = shelf.page(Query(("Patient", "Group", "Flag"), where))
    assert [version.id for version in page.matches] == ["p", "f"]


def test_a_value_set_of_thousands_of_codes_is_one_clause():
    shelf = Shelf()
    shelf.put("Observation", "in", (TOKEN, "code", "s", "c4000"))
    shelf.put("Observation", "out", (TOKEN, "code", "t", "c4000"))
    codings = tuple(("s", f"c{number}") for number in range(5000))
    assert shelf.ids("Observation", TokenIn(("code",), codings)) == ["in"]


ACROSS = [
    CODE,
    Not(TokenIs(("code",), None, "b")),
    IdIn(tuple(map(str, range(30)))),
    StringIs(("name",), "starts", "n"),
    Missing(("code",), False),
    Chain(("subject",), tuple((f"T{number}", CODE) for number in range(20))),
    RefersTo(("subject",), (("", "1"),)),
    RefersTo(("subject",), tuple((f"T{number}", "1") for number in range(20))),
    UpdatedIs("ge", START, START),
]


@pytest.mark.parametrize("where", ACROSS)
@pytest.mark.parametrize("sort", [(), (SortKey(("name",), "string"),), (SortKey((), "updated"),)])
@pytest.mark.parametrize("least", [0, 64])
def test_many_types_are_searched_together(where, sort, least, monkeypatch):
    monkeypatch.setattr(unsorted, "LEAST", least)
    shelf = Shelf()
    types = tuple(f"T{number}" for number in range(20))
    for type in types:
        name = (STRING, "name", "n", "n")
        shelf.put(type, "1", (TOKEN, "code", "", "a"), name, (REFERENCE, "subject", "T0", "1", ""))
    page = shelf.page(Query(types, where, sort, count=15))
    assert [version.type for version in page.matches] == list(types[:15])


@pytest.mark.parametrize("combine", [All, Any])
def test_a_thousand_alternatives_are_one_search(combine):
    shelf = Shelf()
    shelf.put("Patient", "a", (STRING, "name", "n", "n"))
    clauses = tuple(StringIs(("name",), "starts", "n") for _ in range(1500))
    assert shelf.ids("Patient", combine(clauses)) == ["a"]


def test_nesting_that_is_too_deep_is_refused():
    shelf = Shelf()
    shelf.put("Patient", "a", (REFERENCE, "link", "Patient", "a", ""))
    clause = EVERYTHING
    for _ in range(2000):
        clause = Chain(("link",), (("Patient", clause),))
    with pytest.raises(FhirError) as refused:
        shelf.ids("Patient", clause)
    assert refused.value.category == "too-costly"


@pytest.mark.parametrize("depth", [1, 5, 11, 12, 30, 60])
@pytest.mark.parametrize("turned", [lambda clause: clause, Not])
def test_chains_and_has_of_any_depth(depth, turned):
    shelf = Shelf()
    ids = [f"p{number:02}" for number in range(depth + 3)]
    for id, following in zip(ids, [*ids[1:], ids[-1]], strict=True):
        code = "a" if id == ids[depth] else "b"
        shelf.put("Patient", id, (REFERENCE, "link", "Patient", following, ""), (TOKEN, "code", "", code))
    forward = backward = CODE
    for _ in range(depth):
        forward = Chain(("link",), (("Patient", forward),))
        backward = Has("Patient", ("link",), backward)
    expected = {ids[0]} if turned is not Not else {*ids} - {ids[0]}
    assert set(shelf.ids("Patient", turned(forward))) == expected
    expected = {*ids[2 * depth : 2 * depth + 1]} or {ids[-1]}
    assert set(shelf.ids("Patient", turned(backward))) == (expected if turned is not Not else {*ids} - expected)


def test_a_deep_link_that_stands_for_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(settled, "MOST", 1)
    shelf = Shelf()
    for id in "abc":
        shelf.put("Patient", id, (REFERENCE, "link", "Patient", id, ""), (TOKEN, "code", "", "a"))
    clause = CODE
    for _ in range(9):
        clause = Chain(("link",), (("Patient", clause),))
    with pytest.raises(FhirError) as refused:
        shelf.ids("Patient", clause)
    assert refused.value.category == "too-costly"

"""Works that share one commit: each is whole or not there, and each sees those before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_server.core.ports import Transaction, Write
from fhir_server.core.query import All, Chain, RefersTo, StringIs, TokenIs
from fhir_server.core.values import REFERENCE, STRING, TOKEN
from fhir_server.storage.sqlite import dictionaries
from fhir_server.storage.sqlite import transaction as module
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.store import SqliteStore

NOW = 1_790_000_000_000_000
Work = Callable[[Transaction], Awaitable[Any]]


def identified(code: str) -> TokenIs:
    return TokenIs(("identifier",), "mrn", code)


async def put(inside: Transaction, id: str, code: str, version: int = 1, body: bytes = b"{}") -> None:
    values = [(TOKEN, "identifier", "mrn", code), (STRING, "name", code.lower(), code)] if body else []
    await inside.put(Write("Patient", id, version, inside.now(), "PUT" if body else "DELETE", body, values))


def together(folder: Path, *works: Work) -> tuple[list[Any], dict[str, list[str]], list[tuple[str, str]]]:
    """What the works gave; the ids by code afterwards; and what is wrong in the tables."""

    async def run() -> Any:
        store = SqliteStore(folder / "t.sqlite", lambda: NOW, lambda c, known: SqliteSearchIndex(c, known))
        try:
            gave = await asyncio.gather(*[store.commit(work) for work in works], return_exceptions=True)
            rows = store.reader.execute(
                "SELECT m.code, r.id FROM token t JOIN term m USING (term) JOIN resource r USING (rid) WHERE r.live"
            ).fetchall()
            lost = store.reader.execute(
                "SELECT r.id, r.seq FROM resource r LEFT JOIN version v ON v.seq = r.seq "
                "WHERE r.version > 0 AND (v.version IS NOT r.version OR v.rid IS NOT r.rid)"
            ).fetchall()
            return gave, {code: sorted(id for c, id in rows if c == code) for code, _ in rows}, lost
        finally:
            await store.close()

    return asyncio.run(run())


@pytest.mark.parametrize("asks", [False, True])
def test_a_work_that_fails_leaves_nothing_and_those_beside_it_stay(tmp_path, asks):
    async def fails(inside: Transaction) -> None:
        await put(inside, "b", "B")
        if asks:
            await inside.index.count(("Patient",), identified("B"))
            await put(inside, "b2", "B2")
        raise ValueError("no")

    gave, found, lost = together(
        tmp_path, lambda inside: put(inside, "a", "A"), fails, lambda inside: put(inside, "c", "C")
    )
    assert isinstance(gave[1], ValueError)
    assert (found, lost) == ({"A": ["a"], "C": ["c"]}, [])


def test_a_work_that_fails_leaves_no_term(tmp_path):
    async def fails(inside: Transaction) -> None:
        await put(inside, "b", "B")
        raise ValueError("no")

    async def terms(inside: Any) -> list[str]:
        return [row[0] for row in inside.execute("SELECT code FROM term").fetchall()]

    *_, found = together(tmp_path, lambda inside: put(inside, "a", "A"), fails, terms)[0]
    assert found == ["A"]


def test_a_term_that_is_new_is_one_though_the_cache_is_emptied_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(dictionaries, "CACHE_LIMIT", 1)
    works = [lambda inside, id=id, code=code: put(inside, id, code) for id, code in ("aA", "bB", "cA", "dC", "eA")]
    _, found, _ = together(tmp_path, *works)
    assert found == {"A": ["a", "c", "e"], "B": ["b"], "C": ["d"]}


def test_a_resource_of_a_work_that_failed_can_be_made_by_the_next(tmp_path):
    async def fails(inside: Transaction) -> None:
        await put(inside, "a", "A")
        raise ValueError("no")

    gave, found, _ = together(tmp_path, fails, lambda inside: put(inside, "a", "B"))
    assert gave[1] is None
    assert found == {"B": ["a"]}


@pytest.mark.parametrize("where", [identified("A"), StringIs(("name",), "starts", "a")])
def test_criteria_see_what_the_same_commit_has_stored(tmp_path, where):
    async def once(inside: Transaction) -> str:
        found = await inside.matches("Patient", where)
        if not found:
            await put(inside, "a", "A")
        return found[0].id if found else "made"

    gave, found, _ = together(tmp_path, once, once, once)
    assert gave == ["made", "a", "a"]
    assert found == {"A": ["a"]}


def test_criteria_see_what_the_same_commit_has_taken_away(tmp_path):
    together(tmp_path, lambda inside: put(inside, "a", "A"))

    async def asks(inside: Transaction) -> int:
        return len(await inside.matches("Patient", identified("A")))

    gave, found, _ = together(tmp_path, asks, lambda inside: put(inside, "a", "B", 2), asks)
    assert (gave, found) == ([1, None, 0], {"B": ["a"]})


def test_criteria_see_what_the_same_commit_has_changed_of_a_resource_that_they_lead_to(tmp_path):
    async def refers(inside: Transaction) -> None:
        values = [(TOKEN, "code", "s", "c", ""), (REFERENCE, "subject", "Patient", "a", "")]
        await inside.put(Write("Condition", "c", 1, inside.now(), "PUT", b"{}", values))

    async def asks(inside: Transaction) -> int:
        where = All((TokenIs(("code",), "s", "c"), Chain(("subject",), (("Patient", identified("B")),))))
        return len(await inside.matches("Condition", where))

    together(tmp_path, lambda inside: put(inside, "a", "A"), refers)
    gave, *_ = together(tmp_path, asks, lambda inside: put(inside, "a", "B", 2), asks)
    assert gave == [0, None, 1]


def test_of_versions_in_one_commit_the_newest_is_indexed(tmp_path):
    gave, found, lost = together(
        tmp_path, *[lambda inside, n=number: put(inside, "a", f"C{n}", n) for number in range(1, 5)]
    )
    assert gave == [None] * 4
    assert (found, lost) == ({"C4": ["a"]}, [])


def test_deleted_made_again_and_updated_in_one_commit(tmp_path):
    together(tmp_path, lambda inside: put(inside, "a", "A"))
    _, found, lost = together(
        tmp_path,
        lambda inside: put(inside, "a", "B", 2),
        lambda inside: put(inside, "a", "", 3, b""),
        lambda inside: put(inside, "a", "C", 4),
        lambda inside: put(inside, "a", "D", 5),
    )
    assert (found, lost) == ({"D": ["a"]}, [])


def test_what_was_referred_to_before_it_came_is_one_resource(tmp_path):
    async def refers(inside: Transaction) -> None:
        value = (REFERENCE, "subject", "Patient", "late", "")
        await inside.put(Write("Condition", "c", 1, inside.now(), "PUT", b"{}", [value]))

    async def asks(inside: Transaction) -> list[str]:
        where = RefersTo(("subject",), (("Patient", "late"),))
        return [found.id for found in await inside.matches("Condition", where)]

    gave, found, lost = together(tmp_path, refers, lambda inside: put(inside, "late", "L"), asks)
    assert gave[2] == ["c"]
    assert (found, lost) == ({"L": ["late"]}, [])


def test_a_long_work_is_written_in_parts_and_undone_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FULL", 5)

    async def many(inside: Transaction) -> None:
        for number in range(30):
            await put(inside, f"p{number}", "M")

    async def fails(inside: Transaction) -> None:
        for number in range(30):
            await put(inside, f"q{number}", "F")
        raise ValueError("no")

    gave, found, lost = together(tmp_path, many, fails, lambda inside: put(inside, "a", "A"))
    assert isinstance(gave[1], ValueError)
    assert (len(found["M"]), set(found), lost) == (30, {"M", "A"}, [])


async def turns_while(work: Awaitable[Any]) -> int:
    """How often others got their turn while something was done."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    await work
    other.cancel()
    return turns


@pytest.mark.parametrize(("count", "others_wait"), [(10, True), (module.WIDE + 1, False)])
def test_others_get_their_turn_while_a_resource_with_many_values_is_put(tmp_path, count, others_wait):
    values = [(REFERENCE, "result", "Observation", f"o{number}", "") for number in range(count)]

    async def work(inside: Transaction) -> int:
        return await turns_while(inside.put(Write("List", "a", 1, inside.now(), "PUT", b"{}", values)))

    (turns,), *_ = together(tmp_path, work)
    assert (turns == 0) is others_wait

"""What MongoDB finds by its keys is not asked of the search index."""

import asyncio

import pytest

from fhir_server.core.query import All, Clause, IdIn, Page, Query, RefersTo, TokenIs
from fhir_server.storage.mongo.keyed_index import KeyedIndex
from tests.distributed.conftest import Stores

pytestmark = pytest.mark.anyio

SYSTEM = "http://x.org"


class Behind:
    """Knows nothing, and counts how often it is asked."""

    asked = 0

    async def search(self, query: Query) -> Page:
        self.asked += 1
        return Page([], [])


def patient(id: str, *values: str) -> dict:
    return {"resourceType": "Patient", "id": id, "identifier": [{"system": SYSTEM, "value": value} for value in values]}


def identified(value: str) -> Clause:
    return TokenIs(("identifier",), SYSTEM, value)


async def test_one_resource_or_none_is_found_by_its_keys_at_once(stores: Stores) -> None:
    shelf, behind = await stores.open(), Behind()
    index = KeyedIndex(shelf.store, behind)  # type: ignore[arg-type]
    for id, value in (("a", "1"), ("b", "2"), ("c", "2"), ("gone", "3")):
        await shelf.put(patient(id, value))
    await shelf.delete("Patient", "gone")

    async def ids(where: Clause, **more: object) -> list[str]:
        return [version.id for version in (await index.search(Query(("Patient",), where, count=5, **more))).matches]  # type: ignore[arg-type]

    assert await ids(identified("1")) == ["a"]
    assert await ids(IdIn(("b",))) == ["b"]
    assert await ids(All((identified("2"), IdIn(("c",))))) == ["c"]
    assert await ids(identified("3")) == await ids(IdIn(("gone",))) == []
    assert behind.asked == 0
    await shelf.put(patient("a", "4"))
    assert (await ids(identified("1")), await ids(identified("4")), behind.asked) == ([], ["a"], 0)


async def test_what_keys_do_not_tell_is_asked_of_the_index(stores: Stores) -> None:
    shelf, behind = await stores.open(), Behind()
    index = KeyedIndex(shelf.store, behind)  # type: ignore[arg-type]
    for id in ("a", "b"):
        await shelf.put(patient(id, "1"))
    asked = [
        Query(("Patient",), identified("1"), count=5),  # two, whose order the index knows
        Query(("Patient",), RefersTo(("link",), (("Patient", "a"),)), count=5),
        Query(("Patient",), IdIn(("a",)), only_count=True),
        Query(("Patient", "Group"), IdIn(("a",)), count=5),
    ]
    for number, query in enumerate(asked, 1):
        await index.search(query)
        assert behind.asked == number


async def test_searches_of_one_moment_are_told_apart(stores: Stores) -> None:
    """They are one look-up; where many share a key the others find theirs all the same."""
    shelf, behind = await stores.open(), Behind()
    index = KeyedIndex(shelf.store, behind)  # type: ignore[arg-type]
    for number in range(30):
        await shelf.put(patient(f"p{number}", "shared" if number < 20 else str(number), f"also-{number}"))
    await shelf.put({**patient("o", "20"), "resourceType": "Practitioner"})

    async def ids(type: str, value: str) -> list[str]:
        return [version.id for version in (await index.search(Query((type,), identified(value), count=5))).matches]

    asked = [("Patient", str(20 + number)) for number in range(10)] + [("Patient", "also-3"), ("Practitioner", "20")]
    found = [[f"p{20 + number}"] for number in range(10)] + [["p3"], ["o"]]
    assert await asyncio.gather(*(ids(*each) for each in asked)) == found
    assert behind.asked == 0
    asked += [("Patient", "shared"), ("Patient", "none")]
    assert await asyncio.gather(*(ids(*each) for each in asked)) == [*found, [], []]
    assert behind.asked == 1
    few = [("Patient", value) for value in ("shared", "21", "none", "also-4")]  # for whom it leaves no room at first
    assert await asyncio.gather(*(ids(*each) for each in few)) == [[], ["p21"], [], ["p4"]]
    assert behind.asked == 2

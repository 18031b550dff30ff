"""History: of a resource, a type and the whole store, paged, in a span."""

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Transaction
from tests.contract.conftest import Shelf

pytestmark = pytest.mark.anyio


async def fill(shelf: Shelf) -> list:
    """a1 b1 a2 o1 a3(deleted) b2."""
    found = [
        await shelf.put({"resourceType": "Patient", "id": "a"}),
        await shelf.put({"resourceType": "Patient", "id": "b"}),
    ]
    found.append(await shelf.put({"resourceType": "Patient", "id": "a", "active": True}))
    found.append(await shelf.put({"resourceType": "Observation", "id": "o"}))
    found.append(await shelf.delete("Patient", "a"))
    found.append(await shelf.put({"resourceType": "Patient", "id": "b", "active": True}))
    return found


async def test_newest_first(shelf: Shelf) -> None:
    a1, b1, a2, o1, a3, b2 = await fill(shelf)
    assert (await shelf.store.history("Patient", "a"))[:3] == ([a3, a2, a1], "", 3)
    assert (await shelf.store.history("Patient"))[:3] == ([b2, a3, a2, b1, a1], "", 5)
    assert (await shelf.store.history()).versions == [b2, a3, o1, a2, b1, a1]
    assert (await shelf.store.history("Practitioner")).versions == []


@pytest.mark.parametrize("asked", [("Patient", "a"), ("Patient", ""), ("", "")])
async def test_pages_join_to_the_whole(shelf: Shelf, asked: tuple[str, str]) -> None:
    await fill(shelf)
    whole = (await shelf.store.history(*asked, count=100)).versions
    for count in (1, 2, 3, len(whole)):
        found, cursor = [], ""
        while True:
            page = await shelf.store.history(*asked, cursor=cursor, count=count)
            assert len(page.versions) <= count
            found += page.versions
            cursor = page.next
            if not cursor:
                break
        assert found == whole


async def test_the_first_page_is_always_the_newest(shelf: Shelf) -> None:
    versions = (await fill(shelf))[::-1]
    patients = [version for version in versions if version.type == "Patient"]
    for count in (2, 3, 1, 2):
        assert (await shelf.store.history("Patient", count=count)).versions == patients[:count]
        assert (await shelf.store.history(count=count)).versions == versions[:count]
    c1 = await shelf.put({"resourceType": "Patient", "id": "c"})
    assert (await shelf.store.history("Patient", count=2)).versions == [c1, patients[0]]
    await shelf.erase("Patient", "b")
    await shelf.erase("Patient", "c")
    left = [version for version in patients if version.id == "a"]
    assert (await shelf.store.history("Patient", count=2)).versions == left[:2]
    assert (await shelf.store.history("Patient", count=20)).versions == left


async def test_of_what_is_stored_anew_after_its_erasure_the_new_versions_are_told(shelf: Shelf) -> None:
    await fill(shelf)
    await shelf.erase("Patient", "b")
    assert (await shelf.store.history("Patient", "b"))[:3] == ([], "", 0)
    anew = [await shelf.put({"resourceType": "Patient", "id": "b", "active": number % 2 == 0}) for number in range(3)]
    assert [version.version for version in anew] == [1, 2, 3]
    assert (await shelf.store.history("Patient", "b"))[:3] == (anew[::-1], "", 3)
    page = await shelf.store.history("Patient", "b", count=2)
    assert (page.versions, page.total) == (anew[:0:-1], 3)
    assert (await shelf.store.history("Patient", "b", count=2, cursor=page.next))[:3] == (anew[:1], "", 3)


async def test_pages_neither_repeat_nor_skip_while_others_write(shelf: Shelf) -> None:
    before = await fill(shelf)
    page = await shelf.store.history(count=2)
    found = list(page.versions)
    while page.next:
        await shelf.put({"resourceType": "Patient", "id": "a"})
        await shelf.put({"resourceType": "Observation", "id": "o"})
        page = await shelf.store.history(count=2, cursor=page.next)
        found += page.versions
    assert found == before[::-1]


async def test_since(shelf: Shelf) -> None:
    _, _, a2, _, a3, b2 = await fill(shelf)
    assert (await shelf.store.history("Patient", since=a2.updated)).versions == [b2, a3, a2]
    assert (await shelf.store.history("Patient", "a", since=a2.updated))[:3] == ([a3, a2], "", 2)
    assert (await shelf.store.history(since=b2.updated + 1)).versions == []


async def test_at_a_moment_is_what_was_current_then(shelf: Shelf) -> None:
    a1, b1, a2, _, a3, _ = await fill(shelf)
    assert (await shelf.store.history("Patient", at=(a1.updated, a1.updated))).versions == [a1]
    assert (await shelf.store.history("Patient", at=(b1.updated, b1.updated))).versions == [b1, a1]
    assert (await shelf.store.history("Patient", at=(a2.updated, a3.updated))).versions == [a3, a2, b1]
    assert (await shelf.store.history("Patient", "a", at=(b1.updated, a2.updated)))[:3] == ([a2, a1], "", 2)
    assert (await shelf.store.history(at=(a1.updated - 5, a1.updated - 1))).versions == []


async def test_among_some(shelf: Shelf) -> None:
    a1, _, a2, o1, a3, b2 = await fill(shelf)
    among = [("Patient", "a", ""), ("Patient", "b", "2"), ("Patient", "b", "x"), ("Patient", "never", "")]
    assert (await shelf.store.history(among=among))[:3] == ([b2, a3, a2, a1], "", 4)
    assert (await shelf.store.history(among=[("Observation", "o", "1")])).versions == [o1]
    assert (await shelf.store.history("Patient", among=among, count=1)).versions == [b2]
    assert (await shelf.store.history(among=[])).versions == []


async def test_no_entries_only_the_total(shelf: Shelf) -> None:
    await fill(shelf)
    assert (await shelf.store.history("Patient", "a", count=0))[:3] == ([], "", 3)


async def test_a_cursor_of_another_form_is_refused(shelf: Shelf) -> None:
    await fill(shelf)
    with pytest.raises(FhirError, match="_cursor"):
        await shelf.store.history(cursor="x")


async def test_a_transaction_sees_its_own_versions(shelf: Shelf) -> None:
    await fill(shelf)

    async def work(transaction: Transaction) -> list[int]:
        await shelf.put_in(transaction, {"resourceType": "Patient", "id": "a"})
        assert (await transaction.reads.read_version("Patient", "a", 4)).version == 4
        page = await transaction.reads.history("Patient", "a", count=2)
        rest = await transaction.reads.history("Patient", "a", count=2, cursor=page.next)
        assert page.total == 4
        return [version.version for version in (*page.versions, *rest.versions)]

    assert await shelf.store.commit(work) == [4, 3, 2, 1]

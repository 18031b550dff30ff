"""Works on a store: atomic, one after the other where they meet, criteria that stay matched until the commit."""

import asyncio

import pytest

from fhir_server.codec.canonical import draft
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction, Write
from fhir_server.core.query import All, Any, Clause, IdIn, Not, RefersTo, StringIs, TokenIn, TokenIs, UriIs
from tests.contract.conftest import EXTRACT, Shelf

pytestmark = pytest.mark.anyio

SYSTEM = "http://hospital.test/mrn"


def patient(id: str, value: str = "1", system: str = SYSTEM, **more: object) -> dict:
    return {"resourceType": "Patient", "id": id, "identifier": [{"system": system, "value": value}], **more}


def identifier(value: str, system: str | None = SYSTEM) -> Clause:
    return TokenIs(("identifier",), system, value)


async def matches(shelf: Shelf, type: str, where: Clause, limit: int = 10) -> list[str]:
    async def work(transaction: Transaction) -> list[str]:
        return [version.id for version in await transaction.matches(type, where, limit)]

    return await shelf.store.commit(work)


async def test_identifiers_match(shelf: Shelf) -> None:
    await shelf.put(patient("a"))
    await shelf.put(patient("b", "2"))
    await shelf.put(patient("c", system="http://other.test"))
    await shelf.put({"resourceType": "Person", "id": "p", "identifier": [{"system": SYSTEM, "value": "1"}]})
    assert await matches(shelf, "Patient", identifier("1")) == ["a"]
    assert await matches(shelf, "Patient", identifier("1", None)) == ["a", "c"]
    assert await matches(shelf, "Patient", identifier("3")) == []
    assert await matches(shelf, "Patient", identifier("1", "")) == []
    assert await matches(shelf, "Patient", TokenIn(("identifier",), ((SYSTEM, "1"), (None, "2")))) == ["a", "b"]


async def test_criteria_are_joined(shelf: Shelf) -> None:
    await shelf.put(patient("a", active=True, name=[{"family": "Müller"}]))
    await shelf.put(patient("b", active=False))
    active = TokenIs(("active",), None, "true")
    assert await matches(shelf, "Patient", All((identifier("1"), active))) == ["a"]
    assert await matches(shelf, "Patient", All((active, identifier("1")))) == ["a"]
    assert await matches(shelf, "Patient", All((identifier("1"), Not(active)))) == ["b"]
    assert await matches(shelf, "Patient", Any((identifier("1"), identifier("2")))) == ["a", "b"]
    assert await matches(shelf, "Patient", All((identifier("1"), StringIs(("family",), "starts", "mul")))) == ["a"]
    assert await matches(shelf, "Patient", IdIn(("b", "c"))) == ["b"]


async def test_uris_and_references_match(shelf: Shelf) -> None:
    await shelf.put({"resourceType": "ValueSet", "id": "v", "url": "http://hospital.test/vs", "version": "1"})
    await shelf.put({"resourceType": "Observation", "id": "o", "subject": {"reference": "Patient/a"}})
    assert await matches(shelf, "ValueSet", UriIs(("url",), "exact", "http://hospital.test/vs")) == ["v"]
    assert await matches(shelf, "Observation", RefersTo(("subject",), (("Patient", "a"),))) == ["o"]
    assert await matches(shelf, "Observation", RefersTo(("encounter",), (("Patient", "a"),))) == []
    assert await matches(shelf, "Observation", RefersTo(("subject",), (("", "a"),), ("Patient",))) == ["o"]


async def test_what_is_changed_or_deleted_matches_no_more(shelf: Shelf) -> None:
    await shelf.put(patient("a"))
    await shelf.put(patient("b"))
    await shelf.put(patient("a", "2"))
    await shelf.delete("Patient", "b")
    assert await matches(shelf, "Patient", identifier("1")) == []
    assert await matches(shelf, "Patient", identifier("2")) == ["a"]


async def test_a_work_matches_what_it_has_put_itself(shelf: Shelf) -> None:
    await shelf.put(patient("a"))

    async def work(transaction: Transaction) -> tuple[list[str], list[str]]:
        await shelf.put_in(transaction, patient("b"))
        await shelf.put_in(transaction, patient("a", "2"))
        one = await transaction.matches("Patient", identifier("1"), 5)
        two = await transaction.matches("Patient", identifier("2"), 5)
        return [v.id for v in one], [v.id for v in two]

    assert await shelf.store.commit(work) == (["b"], ["a"])


async def test_several_criteria_are_matched_in_their_order(shelf: Shelf) -> None:
    for id, value in (("a", "1"), ("b", "2"), ("c", "2")):
        await shelf.put(patient(id, value))

    async def work(transaction: Transaction) -> list[list[str]]:
        await shelf.put_in(transaction, patient("d", "3"))
        await shelf.put_in(transaction, patient("a", "4"))
        asked = [
            ("Patient", identifier("2")),
            ("Patient", identifier("none")),
            ("Patient", identifier("3")),
            ("Patient", identifier("1")),
            ("Patient", identifier("4", None)),
            ("Observation", identifier("2")),
        ]
        return [sorted(version.id for version in found) for found in await transaction.matches_each(asked)]

    assert await shelf.store.commit(work) == [["b", "c"], [], ["d"], [], ["a"], []]


def create_unless(shelf: Shelf, id: str, where: Clause, resource: dict):
    async def work(transaction: Transaction) -> str:
        found = await transaction.matches("Patient", where)
        await asyncio.sleep(0.001)
        return found[0].id if found else (await shelf.put_in(transaction, {**resource, "id": id})).id

    return work


@pytest.mark.parametrize("known", [True, False], ids=["by its key", "by another's key in it"])
async def test_of_conditional_creates_in_several_processes_one_creates(shelf: Shelf, known: bool) -> None:
    """Criteria that differ but mean one identifier meet too."""
    others = [await shelf.another() for _ in range(2)]
    active = TokenIs(("active",), None, "true")
    alike = All((identifier("1", None if known else SYSTEM), active))
    for number in range(3):
        value = {"active": True, **patient("x", f"{number}")}
        criteria = [identifier(f"{number}"), alike if number == 1 else identifier(f"{number}", None)]
        works = [
            by.store.commit(create_unless(by, f"{number}-{n}-{k}", criteria[k % 2], value))
            for n, by in enumerate((shelf, *others))
            for k in range(5)
        ]
        assert len(set(await asyncio.gather(*works))) == 1
    for other in others:
        await other.store.close()
    assert len(await shelf.changes()) == 3


async def test_criteria_that_match_nothing_any_more_make_one_resource_again(shelf: Shelf) -> None:
    other = await shelf.another()
    for number in range(3):
        works = [
            by.store.commit(create_unless(by, f"{number}-{n}", identifier("1"), patient("x", "1")))
            for n, by in enumerate((shelf, other))
        ]
        made = set(await asyncio.gather(*works))
        assert len(made) == 1
        await shelf.delete("Patient", made.pop())
    await other.store.close()
    assert [method for _, _, _, method in await shelf.changes()] == ["PUT", "DELETE"] * 3


async def test_of_updates_in_several_processes_each_follows_another(shelf: Shelf) -> None:
    others = [await shelf.another() for _ in range(2)]
    stored = await asyncio.gather(*(by.put(patient("a")) for by in (shelf, *others) for _ in range(8)))
    assert sorted(version.version for version in stored) == list(range(1, 25))
    for other in others:
        await other.store.close()


async def test_of_conditional_updates_in_several_processes_each_follows_another(shelf: Shelf) -> None:
    others = [shelf, await shelf.another(), await shelf.another()]
    await shelf.put(patient("a"))

    async def work(transaction: Transaction) -> int:
        (found,) = await transaction.matches("Patient", identifier("1"))
        await asyncio.sleep(0.001)
        resource, number, now = patient("a", active=True), found.version + 1, transaction.now()
        body = draft(resource).body("a", number, now)
        await transaction.put(Write("Patient", "a", number, now, "PUT", body, EXTRACT(resource)))
        return number

    versions = await asyncio.gather(*(others[number % 3].store.commit(work) for number in range(12)))
    assert sorted(versions) == list(range(2, 14))
    for other in others[1:]:
        await other.store.close()


async def test_a_work_reads_what_it_wrote(shelf: Shelf) -> None:
    async def work(transaction: Transaction) -> None:
        first = await shelf.put_in(transaction, patient("a"))
        assert await transaction.read("Patient", "a") == first
        assert await transaction.reads.read("Patient", "a") == first
        second = await shelf.put_in(transaction, patient("a", "2"))
        assert second.version == 2
        assert await transaction.reads.read_many([("Patient", "a"), ("Patient", "b")]) == [second, None]
        assert await transaction.newest("Patient") >= first.seq
        assert await transaction.newest("Observation") == 0

    await shelf.store.commit(work)
    assert [v.version for v in (await shelf.store.history("Patient", "a")).versions] == [2, 1]
    assert await shelf.changes() == [("Patient", "a", 1, "PUT"), ("Patient", "a", 2, "PUT")]


async def test_what_a_work_returned_is_what_is_stored(shelf: Shelf) -> None:
    async def work(transaction: Transaction) -> list[StoredVersion]:
        return [await shelf.put_in(transaction, patient(id)) for id in "abc"]

    stored = await shelf.store.commit(work)
    assert stored == await shelf.store.read_many([("Patient", id) for id in "abc"])
    assert await shelf.store.commit(lambda transaction: transaction.newest("Patient")) == stored[-1].seq


async def test_thousands_of_writes_are_one_commit(shelf: Shelf) -> None:
    async def work(transaction: Transaction) -> None:
        for number in range(2000):
            await shelf.put_in(transaction, patient(f"n{number}", str(number)))

    await shelf.store.commit(work)
    changes = await shelf.store.changes(0, 10_000)
    assert len(changes) == 2000
    assert len(await shelf.store.read_many([("Patient", f"n{number}") for number in range(2000)])) == 2000


async def test_who_refers(shelf: Shelf) -> None:
    await shelf.put({"resourceType": "Observation", "id": "o", "subject": {"reference": "Patient/a"}})
    await shelf.put({"resourceType": "Observation", "id": "gone", "subject": {"reference": "Patient/a"}})
    await shelf.delete("Observation", "gone")
    await shelf.put({"resourceType": "Basic", "id": "text", "extension": [{"valueString": "Patient/a"}]})
    await shelf.put({"resourceType": "Patient", "id": "a", "link": [{"other": {"reference": "Patient/a"}}]})

    async def work(transaction: Transaction) -> list:
        before = await transaction.referring("Patient", "a", 5)
        await shelf.put_in(transaction, {"resourceType": "Observation", "id": "o"})
        await shelf.put_in(
            transaction, {"resourceType": "Observation", "id": "new", "subject": {"reference": "Patient/a"}}
        )
        return [before, await transaction.referring("Patient", "a", 5)]

    assert await shelf.store.commit(work) == [[("Observation", "o")], [("Observation", "new")]]


async def test_a_reference_and_the_deletion_of_its_target_exclude_one_another(shelf: Shelf) -> None:
    """Referential integrity: each looks before it acts, and neither may miss the other."""
    other = await shelf.another()
    for number in range(5):
        id = f"t{number}"
        await shelf.put(patient(id, id))

        async def refer(transaction: Transaction, id: str = id) -> bool:
            target = await transaction.read("Patient", id)
            await asyncio.sleep(0.001)
            if target is None or target.deleted:
                return False
            subject = {"reference": f"Patient/{id}"}
            await shelf.put_in(transaction, {"resourceType": "Observation", "id": f"o-{id}", "subject": subject})
            return True

        async def remove(transaction: Transaction, id: str = id) -> bool:
            from fhir_server.core.ports import Write

            head = await transaction.read("Patient", id)
            assert head is not None
            await asyncio.sleep(0.001)
            if await transaction.referring("Patient", id):
                return False
            await transaction.put(Write("Patient", id, head.version + 1, transaction.now(), "DELETE", b"", ()))
            return True

        referred, removed = await asyncio.gather(shelf.store.commit(refer), other.store.commit(remove))
        assert referred != removed
    await other.store.close()


async def test_reindexing_changes_what_is_found_and_no_version(shelf: Shelf) -> None:
    stored = await shelf.put(patient("a"))

    async def work(transaction: Transaction) -> None:
        await transaction.reindex("Patient", "a", [])
        await transaction.reindex("Patient", "never", [])

    await shelf.store.commit(work)
    assert await shelf.store.read("Patient", "a") == stored
    assert (await shelf.put(patient("a"))).version == 2

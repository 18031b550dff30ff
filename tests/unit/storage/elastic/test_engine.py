"""The change feed into Elasticsearch and what searches see of it, over a store in a file."""

from __future__ import annotations

import asyncio
import os

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.query import QuantityIs, Query, RefersTo, SortKey, StringIs
from fhir_server.core.values import QUANTITY, REFERENCE
from fhir_server.storage.elastic import rebuilding, writing
from tests.unit.storage.elastic.house import ready


@pytest.fixture
def unasked(monkeypatch):
    """No other process asks the index that a rebuild replaces, so nobody need be waited for."""
    monkeypatch.setattr(rebuilding, "GRACE", 0.1)


def test_a_search_sees_what_was_written_before_it_began(run):
    async def work(house):
        await ready(house)
        for number in range(20):
            await house.put(f"p{number}", f"name{number}")
            assert await house.named(f"name{number}") == [f"p{number}"]
        await house.put("p3", "other")
        assert await house.named("name3") == []
        await house.delete("p4")
        await house.erase("p5")
        return await house.ids()

    assert run(work) == [f"p{number}" for number in range(20) if number not in (4, 5)]


def test_matches_stay_in_the_order_of_their_first_versions(run):
    async def work(house):
        await ready(house)
        for id in ("c", "a", "b", "c"):
            await house.put(id)
        await house.delete("a")
        await house.put("a")
        return await house.ids()

    assert run(work) == ["c", "a", "b"]


def test_what_was_erased_can_be_stored_again(run):
    async def work(house):
        await ready(house)
        await house.put("a", "one")
        await house.erase("a")
        await house.put("a", "two")
        return await house.named("t"), await house.named("o")

    assert run(work) == (["a"], [])


def test_a_resource_that_breaks_extraction_goes_aside_and_the_feed_goes_on(run):
    async def work(house):
        await ready(house)
        await house.put("good", "good")
        await house.put("bad", "bad", broken=True)
        await house.put("after", "after")
        assert await house.named("after") == ["after"]
        assert await house.ids() == ["good", "bad", "after"]
        state = await house.engine.state()
        findings = await house.engine.check()
        return state.problems, state.changes, [(each.about, each.problem) for each in findings]

    problem = "it is found by its id only: its values can't be extracted: ValueError: broken"
    assert run(work) == (1, 0, [("Patient/bad", problem)])


def test_a_rebuild_leaves_no_moment_without_answers(run):
    async def work(house):
        await ready(house)
        for number in range(30):
            await house.put(f"p{number:02}", "x")
        before = await house.engine.generations.serving()
        rebuilding = asyncio.create_task(house.engine.rebuild())
        written = 30
        while not rebuilding.done():
            await house.put(f"p{written:02}", "x")
            written += 1
            assert len(await house.ids(StringIs(("name",), "starts", "x"), total="accurate")) == min(written, 100)
            await asyncio.sleep(0.1)
        await rebuilding
        after = await house.engine.generations.look()
        assert len(after) == 1 and after[0] != before
        return await house.engine.check()

    assert run(work) == []


def test_what_is_longer_than_a_term_can_be_is_found_and_breaks_no_search(run):
    long = "long" * 10_000

    async def work(house):
        await ready(house)
        await house.put("unit", "unit", values=[(QUANTITY, "value", 5.0, 5.0, "", "", long)])
        await house.put("reference", "reference", values=[(REFERENCE, "subject", "Patient", long, "")])
        await house.put(
            "short", "short", values=[(QUANTITY, "value", 5.0, 5.0, "http://unitsofmeasure.org", "kg", "kg")]
        )
        in_kilograms = QuantityIs(("value",), "eq", 5.0, 4.5, 5.5, ("http://unitsofmeasure.org", "kg"))
        refers = RefersTo(("subject",), (("Patient", long),))
        sort = (SortKey(("subject",), "reference"),)
        found = [await house.ids(in_kilograms), await house.ids(refers), (await house.ids(sort=sort))[:1]]
        return found, await house.engine.check()

    assert run(work) == ([["short"], ["reference"], ["reference"]], [])


def test_a_document_that_elasticsearch_can_not_take_goes_aside(run, monkeypatch):
    monkeypatch.setattr(writing, "LARGEST", 100_000)

    async def work(house):
        await ready(house)
        await house.put("large", "large", text=" ".join(map(str, range(20_000))))
        await house.put("after", "after")
        return await house.named("after"), await house.named("large"), await house.ids()

    assert run(work) == (["after"], [], ["large", "after"])


def test_a_page_has_no_more_than_elasticsearch_gives_at_once(run):
    async def work(house):
        await ready(house)
        await house.put("a", "a")
        return [version.id for version in (await house.index.search(Query(("Patient",), count=20_000))).matches]

    assert run(work) == ["a"]


def test_a_second_rebuild_is_refused_and_the_first_ends(run, elasticsearch_url):
    async def work(house):
        await ready(house)
        await house.put("a", "x")
        other = house.another(elasticsearch_url)
        rebuilding = asyncio.create_task(house.engine.rebuild())
        while not await house.store.holder(f"rebuild:{house.engine.generations.alias}"):
            await asyncio.sleep(0.01)
        with pytest.raises(FhirError, match=rf"by process {os.getpid()} on .* Wait until that has ended"):
            await other.rebuild()
        await rebuilding
        await other.rebuild()
        await other.close()
        return await house.named("x"), len(await house.engine.generations.look())

    assert run(work) == (["a"], 1)


def test_a_rebuild_whose_process_was_killed_is_followed_by_the_next(run, unasked):
    async def work(house):
        await ready(house)
        name = f"rebuild:{house.engine.generations.alias}"
        await house.store.lease(name, "process 1 on elsewhere, 00", 0.5)
        await house.engine.generations.add()
        for _ in range(100):
            try:
                await house.engine.rebuild()
                break
            except FhirError as problem:
                assert "by process 1 on elsewhere. Wait" in str(problem)
                await asyncio.sleep(0.05)
        return len(await house.engine.generations.look())

    assert run(work) == 1


def test_a_check_names_every_difference_and_repairs_it(run):
    async def work(house):
        await ready(house)
        for id in ("gone", "old", "fine"):
            await house.put(id, id)
        await house.ids()
        client, name = house.engine.generations.client, (await house.engine.generations.serving()).name
        await client.delete(index=name, id="Patient/gone")
        document = {"type": "Patient", "seq": 2, "first": 2, "version": 1, "updated": 1, "digest": "x"}
        for id in ("old", "never"):
            await client.index(index=name, id=f"Patient/{id}", document={**document, "id": id})
        await client.indices.refresh(index=name)
        found = await house.engine.check()
        repaired = await house.engine.check(repair=True)
        assert all(each.repaired for each in repaired)
        return sorted((each.about, each.problem) for each in found), await house.engine.check(), await house.ids()

    found, left, ids = run(work)
    assert found == [
        ("Patient/gone", "it is not in the search index"),
        ("Patient/never", "it is in the search index but is deleted or was never stored"),
        ("Patient/old", "its values in the search index are not those of its content"),
    ]
    assert (left, ids) == ([], ["gone", "old", "fine"])


def test_an_index_of_another_mapping_is_not_asked_and_a_rebuild_takes_its_place(run, unasked):
    async def work(house):
        generations = house.engine.generations
        properties = {"type": {"type": "keyword"}, "token": {"type": "long"}}
        name = f"{generations.alias}-000001"
        aliases = {generations.alias: {}}
        await generations.client.indices.create(index=name, aliases=aliases, mappings={"properties": properties})
        house.engine.start()
        await house.put("a", "anna")
        with pytest.raises(FhirError) as refused:
            await house.named("anna")
        told = (await house.engine.state()).away
        await house.engine.rebuild()
        found = await house.named("anna")
        await generations.client.indices.delete(index=name)
        return refused.value.status, told, found

    status, told, found = run(work, feeding=False)
    assert (status, found) == (503, ["a"])
    assert "000001 has not this program's mapping; hms reindex makes another" in told

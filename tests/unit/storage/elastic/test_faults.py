"""What goes wrong between the store and Elasticsearch: nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.query import EVERYTHING, Has, Query
from fhir_server.storage.elastic import asking, engine, writing
from tests.backends.proxy import Proxy
from tests.unit.storage.elastic.house import House, ready

INFLIGHT = "network.breaker.inflight_requests.limit"


async def soon(what):
    """Until it is true."""
    for _ in range(600):
        if await what():
            return True
        await asyncio.sleep(0.1)
    return False


async def whole(house):
    """The index has caught up and is the store's mirror."""

    async def caught_up():
        state = await house.engine.state()
        return not state.away and state.changes == 0

    assert await soon(caught_up)
    return await house.engine.check()


def test_an_elasticsearch_that_refuses_for_now_is_asked_again(run):
    async def work(house):
        await ready(house)
        cluster = house.engine.generations.client.cluster
        await cluster.put_settings(persistent={INFLIGHT: "1kb"})  # answers 429 to all that is larger
        try:
            for number in range(20):
                await house.put(f"p{number}", "x" * 100)
            await asyncio.sleep(0.5)
            behind = await house.engine.state()
        finally:
            await cluster.put_settings(persistent={INFLIGHT: None})
        return behind.changes, await whole(house), len(await house.ids())

    behind, differences, found = run(work)
    assert behind > 0
    assert (differences, found) == ([], 20)


def test_an_index_that_has_become_read_only_is_waited_for(run):
    async def work(house):
        await ready(house)
        await house.put("before", "x")
        assert await house.ids() == ["before"]
        indices = house.engine.generations.client.indices
        name = (await house.engine.generations.serving()).name
        # what Elasticsearch does to an index when its disk is full
        await indices.put_settings(index=name, settings={"index.blocks.read_only_allow_delete": True})
        await house.put("during", "x")
        during = await house.index.search(Query(("Patient",), EVERYTHING, wait=1.0))
        await indices.put_settings(index=name, settings={"index.blocks.read_only_allow_delete": None})
        return [v.id for v in during.matches], during.warnings[0].code, await whole(house), await house.ids()

    assert run(work) == (["before"], "incomplete", [], ["before", "during"])


def test_a_slow_elasticsearch_slows_searches_and_loses_nothing(tmp_path, elasticsearch_url, monkeypatch):
    monkeypatch.setattr(asking, "SECONDS", 1.5)

    async def work():
        with Proxy(urlsplit(elasticsearch_url).port) as proxy:
            house = House(tmp_path, f"http://127.0.0.1:{proxy.port}", wait=0.2)
            house.engine.start()
            await ready(house)
            proxy.delay = 0.4  # seconds for each answer: longer than a search waits for the index
            for number in range(20):
                await house.put(f"p{number}", "x")
            during = await house.index.search(Query(("Patient",), EVERYTHING))
            proxy.delay = 3.0  # longer than a search's patience
            with pytest.raises(FhirError) as refused:
                await house.ids()
            proxy.delay = 0.0
            state = refused.value.status, refused.value.headers["Retry-After"]
            after = await whole(house), len(await house.ids())
            await house.close()
            return [issue.code for issue in during.warnings], state, after

    assert asyncio.run(work()) == (["incomplete"], (503, "5"), ([], 20))


def test_a_search_that_must_see_all_is_refused_where_the_index_is_behind(run, monkeypatch):
    monkeypatch.setattr(engine, "STRICT_WAIT", 0.5)

    async def work(house):
        await ready(house)
        await house.engine.stop()
        await house.put("a")
        with pytest.raises(FhirError) as refused:
            await house.engine.strict.search(Query(("Patient",)))
        return refused.value.status, refused.value.headers["Retry-After"]

    assert run(work, wait=0.2) == (503, "5")


def test_a_search_may_ask_not_to_be_held_back(run):
    async def work(house):
        await ready(house)
        await house.engine.stop()
        await house.put("a")
        return (await house.index.search(Query(("Patient",), wait=0.0))).warnings

    assert run(work, wait=60.0) == ()


def test_an_index_that_was_deleted_is_built_anew(run):
    async def work(house):
        await ready(house)
        for number in range(5):
            await house.put(f"p{number}")
        await house.ids()
        generations = house.engine.generations
        await generations.client.indices.delete(index=(await generations.serving()).name)
        await house.put("p5")

        async def back():
            try:
                return len(await house.ids()) == 6
            except FhirError as problem:
                assert problem.status == 503
                return False

        return await soon(back), await whole(house)

    assert run(work) == (True, [])


def test_two_projectors_do_the_work_of_one(run, elasticsearch_url):
    async def work(house):
        await ready(house)
        other = house.another(elasticsearch_url, lease=1.0)
        other.start()
        for number in range(50):
            await house.put(f"p{number % 20}", f"n{number}")
            if number == 25:
                await house.engine.stop()
        found = [version.version for version in (await other.index.search(Query(("Patient",), count=50))).matches]
        differences = await whole(house)
        await other.close()
        return found, differences

    versions, differences = run(work, lease=1.0)
    assert versions == [3] * 10 + [2] * 10
    assert differences == []


def test_a_projector_that_is_killed_at_any_moment_loses_nothing(run, tmp_path, elasticsearch_url):
    chance = random.Random(7)

    async def work(house):
        feeder = [sys.executable, "-m", "tests.unit.storage.elastic.house", tmp_path, elasticsearch_url, house.prefix]
        process = subprocess.Popen(feeder)
        try:
            for number in range(300):
                await house.put(f"p{chance.randrange(100)}", f"n{number}")
                if number % 60 == 59:
                    await asyncio.sleep(chance.random() * 2)
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    process = subprocess.Popen(feeder)
            return await whole(house), (await house.engine.state()).problems
        finally:
            process.kill()
            process.wait()

    assert run(work, feeding=False) == ([], 0)


def test_a_position_that_no_change_took_is_not_waited_for(run):
    async def work(house):
        await ready(house)
        await house.put("a")
        head = house.store.head

        async def void_at_the_end():
            return await head() + 1

        house.store.head = void_at_the_end  # a commit that took a position and was undone
        return await whole(house), len(await house.ids())

    assert run(work) == ([], 1)


@pytest.mark.parametrize(
    ("status", "type", "told"),
    [
        (400, "document_parsing_exception", "refused"),
        (400, "illegal_argument_exception", "refused"),
        (400, "index_closed_exception", "again"),
        (403, "cluster_block_exception", "again"),
        (403, "security_exception", "again"),
        (404, "index_not_found_exception", "again"),
        (404, "shard_not_found_exception", "again"),
        (429, "es_rejected_execution_exception", "again"),
        (500, "node_closed_exception", "again"),
        (503, "unavailable_shards_exception", "again"),
        (404, "", "done"),  # what was to be deleted
        (409, "version_conflict_engine_exception", "done"),
    ],
)
def test_only_what_is_said_of_a_document_itself_refuses_it(status: int, type: str, told: str) -> None:
    result = {"status": status, **({"error": {"type": type}} if type else {})}
    said = "done" if writing.is_done(result) else "again" if writing.is_passing(result) else "refused"
    assert said == told


def test_what_is_written_while_the_index_is_closed_is_there_once_it_is_open(run):
    async def work(house):
        await ready(house)
        await house.put("before", "x")
        assert await house.ids() == ["before"]
        generations = house.engine.generations
        name = (await generations.serving()).name
        await generations.client.indices.close(index=name)
        await house.put("during", "x")
        with pytest.raises(FhirError) as refused:
            await house.ids()
        await generations.look()
        told = (await house.engine.state()).away
        await asyncio.sleep(1.5)  # nobody makes another in its place
        await generations.client.indices.open(index=name)

        async def back():
            with suppress(FhirError):
                return await house.ids() == ["before", "during"]

        return refused.value.status, told, await soon(back), len(await generations.look()), await whole(house)

    status, told, back, indices, differences = run(work)
    assert (status, back, indices, differences) == (503, True, 1, [])
    assert "is closed; open it at Elasticsearch (POST /engine-" in told


def test_an_index_that_has_lost_the_alias_gets_it_again(run):
    async def work(house):
        await ready(house)
        await house.put("a", "x")
        await house.ids()
        generations = house.engine.generations
        before = await generations.serving()
        await generations.client.indices.delete_alias(index=before.name, name=generations.alias)

        async def back():
            with suppress(FhirError):
                return await generations.look() == [before] and await house.ids() == ["a"]

        return await soon(back)

    assert run(work)


def test_an_index_that_elasticsearch_made_of_itself_keeps_nobody_from_another(run):
    async def work(house):
        generations = house.engine.generations
        strange = f"{generations.alias}-000001"  # as a late write to an Elasticsearch that was started empty makes one
        await generations.client.index(index=strange, id="Patient/a", document={"type": "Patient", "id": "a"})
        await house.put("a", "anna")
        house.engine.start()
        await ready(house)
        found = await house.named("anna")
        await generations.client.indices.delete(index=strange)
        return found

    assert run(work, feeding=False) == ["a"]


def test_an_index_that_was_made_anew_is_not_taken_for_the_one_before(run, elasticsearch_url):
    async def work(house):
        await ready(house)
        await house.put("a", "x")
        other = house.another(elasticsearch_url)
        assert [version.id for version in (await other.index.search(Query(("Patient",)))).matches] == ["a"]
        await house.engine.stop()
        generations = house.engine.generations
        await generations.client.indices.delete(index=(await generations.serving()).name)
        await generations.start()
        other.generations._monotonic = lambda: other.generations._looked  # it has not looked since
        with pytest.raises(FhirError) as refused:
            await other.index.search(Query(("Patient",)))
        await other.close()
        return refused.value.status

    assert run(work) == 503


def test_a_rebuild_does_not_remove_what_it_has_built_where_that_served_already(run):
    async def work(house):
        await ready(house)
        await house.put("a", "x")
        generations = house.engine.generations
        before = await generations.serving()
        fresh = await generations.add()
        await generations.client.indices.put_alias(index=fresh.name, name=generations.alias)
        return await generations.swap(fresh) == [before]

    assert run(work)


def test_of_searches_that_find_it_back_at_one_time_none_takes_the_index_for_complete(run):
    async def work(house):
        await ready(house)
        await house.engine.stop()
        await house.put("a")
        house.index._away = True
        pages = await asyncio.gather(*(house.index.search(Query(("Patient",))) for _ in range(3)))
        return [page.warnings != () for page in pages]

    assert run(work, wait=0.2) == [True] * 3


def test_no_search_is_answered_in_part(run):
    async def work(house):
        await ready(house)
        transport = house.engine.generations.client.transport
        perform, asked = transport.perform_request, []

        async def noted(method, target, **more):
            asked.append(target)
            return await perform(method, target, **more)

        transport.perform_request = noted  # one node has no shard that could be missing
        await house.ids(Has("Observation", ("subject",), EVERYTHING))
        await house.index.count(["Patient"], EVERYTHING)
        await house.index.counts()
        await house.engine.state()
        return [target for target in asked if "/_search" in target]

    searches = run(work)
    assert len(searches) >= 4
    assert all("allow_partial_search_results=false" in target for target in searches), searches

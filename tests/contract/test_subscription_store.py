"""What is kept of Subscriptions beside the resources: the same in a file and in MongoDB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fhir_server.core.settings import Settings
from fhir_server.subscriptions.store.port import BindingToken, Event, Maker, State, SubscriptionStore
from fhir_server.subscriptions.store.sqlite import SqliteSubscriptions
from tests.engines import EMBEDDED

pytestmark = pytest.mark.anyio

Machine = Callable[[], SubscriptionStore]
MAKER = Maker(content="c", base="http://fhir.test/fhir", access={"client": "app", "scope": "system/*.rs"})
STATE = State(id="a", content="c", position=7, number=1, events=[Event(1, 6, "Patient", "p", 2, "PUT", 10)])


@pytest.fixture
async def machine(settings: Settings, engine: str, tmp_path: Path) -> AsyncIterator[Machine]:
    """Opens the store as another process does."""
    if engine == EMBEDDED:
        yield lambda: SqliteSubscriptions(tmp_path / "subscriptions.sqlite")
        return
    from fhir_server.storage.mongo.database import connect
    from fhir_server.subscriptions.store.mongo import MongoSubscriptions

    database = await connect(settings.mongodb_url, settings.mongodb_database)
    yield lambda: MongoSubscriptions(database.database)
    await database.close()


async def test_what_is_kept_is_known_to_every_process(machine: Machine) -> None:
    one, other = machine(), machine()
    assert (await other.maker("a"), await other.state("a"), await other.states()) == (None, None, [])
    await one.keep_maker("a", MAKER)
    await one.keep_state(STATE)
    assert (await other.maker("a"), await other.state("a"), await other.states()) == (MAKER, STATE, [STATE])
    await other.keep_state(State(id="a", content="d", position=8))
    found = await one.state("a")
    assert found is not None
    assert (found.content, found.position, found.events) == ("d", 8, [])
    for each in (one, other):
        await each.close()


async def test_every_process_has_the_same_secret(machine: Machine) -> None:
    one, other = machine(), machine()
    found = await asyncio.gather(one.secret(), other.secret(), one.secret())
    assert len(set(found)) == 1 and len(found[0]) == 32
    for each in (one, other):
        await each.close()
    assert await machine().secret() == found[0]


async def test_what_is_forgotten_is_gone(machine: Machine) -> None:
    one = machine()
    await one.keep_maker("a", MAKER)
    await one.keep_state(STATE)
    await one.keep_state(State(id="b", content="c", position=1))
    await one.forget("a")
    assert (await one.maker("a"), await one.state("a")) == (None, None)
    assert [each.id for each in await one.states()] == ["b"]
    await one.close()


async def test_a_token_is_known_until_it_is_over(machine: Machine) -> None:
    one, other = machine(), machine()
    token = BindingToken(ids=("a", "b"), expires=100, access={"client": "app"})
    await one.keep_token("x", token, now=0)
    assert await other.token("x", now=99) == token
    assert (await other.token("x", now=100), await other.token("y", now=0)) == (None, None)
    await one.keep_token("y", BindingToken(ids=("a",), expires=300), now=200)
    assert await other.token("x", now=0) is None
    for each in (one, other):
        await each.close()


async def test_the_authorizations_that_are_spoken_of_are_known(machine: Machine) -> None:
    one, other = machine(), machine()
    assert await other.families() == set()
    await one.keep_maker("a", Maker(content="c", base="", access={"client": "app", "family": "f"}))
    await one.keep_maker("open", Maker(content="c", base=""))
    await one.keep_token("t", BindingToken(ids=("a",), expires=10, access={"client": "app", "family": "g"}), now=1)
    assert await other.families() >= {"f", "g"}
    await one.forget("a")
    assert "f" not in await other.families()
    for each in (one, other):
        await each.close()

"""Users, clients, sessions and grants, as two workers or two machines on one store see them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

import msgspec
import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.security.emergencies import Emergencies, Emergency, SqliteEmergencies
from fhir_server.security.encryption.master_keys import add_key
from fhir_server.security.ended_families import EndedFamilies
from fhir_server.security.model import Client, Code, Grant, Refresh, Session, User
from fhir_server.security.store import AccountStore, SqliteAccounts
from fhir_server.security.store.port import ACCESS_LIFE, FORGOTTEN, OFFLINE_LIFE
from tests.conftest import HeldClock
from tests.engines import EMBEDDED

pytestmark = pytest.mark.anyio

DOC = User(id="u1", name="Doc", password="hash", roles=("physician",), totp="SECRET")
APP = Client(id="app", name="App", redirect_uris=("https://app.test",))
GRANT = Grant(family="f", client="app", scope="user/*.rs", user="u1")

DAY = 24 * 3600 * 1_000_000  # microseconds


class Pair(NamedTuple):
    """One worker's view and another's."""

    one: AccountStore
    other: AccountStore
    emergencies: tuple[Emergencies, Emergencies]
    clock: HeldClock


@pytest.fixture
async def pair(settings: Settings, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    clock = HeldClock()
    if engine == EMBEDDED:
        files = [SqliteAccounts(tmp_path / "security.sqlite", clock) for _ in range(2)]
        told = [SqliteEmergencies(tmp_path / "emergencies.sqlite", clock) for _ in range(2)]
        yield Pair(files[0], files[1], (told[0], told[1]), clock)
        for each in (*files, *told):
            await each.close()
        return
    from fhir_server.security.encryption.sealing import Sealing
    from fhir_server.security.store import mongo
    from fhir_server.security.store.mongo import grants
    from fhir_server.storage.mongo.database import connect

    monkeypatch.setattr(grants, "HOLDS", 0.05)
    database = await connect(settings.mongodb_url, settings.mongodb_database)
    add_key(tmp_path / "keys.json")
    sealing = Sealing(tmp_path / "keys.json")
    shared = [mongo.MongoAccounts(database.database, sealing, clock) for _ in range(2)]
    await asyncio.gather(*(each.start() for each in shared))
    emergencies = [mongo.MongoEmergencies(database.database, sealing, clock) for _ in range(2)]
    yield Pair(shared[0], shared[1], (emergencies[0], emergencies[1]), clock)
    await database.close()


def of(family: str) -> Grant:
    return msgspec.structs.replace(GRANT, family=family)


async def named() -> set[str]:
    """What Subscriptions speak of."""
    return {"named"}


async def revoked(store: AccountStore, family: str, jti: str) -> bool:
    """Whether a token is good no more, within the second that a machine may take to notice."""
    for _ in range(100):
        if not await store.good(family, jti):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_users_and_clients_are_known_to_all(pair: Pair):
    await pair.one.put_user(DOC)
    await pair.one.put_client(APP)
    assert await pair.other.user("u1") == await pair.other.user_named("dOC") == DOC
    assert (await pair.other.users(), await pair.other.clients()) == ([DOC], [APP])
    changed = msgspec.structs.replace(DOC, name="Dr", roles=())
    await pair.other.put_user(changed)
    assert (await pair.one.user("u1"), await pair.one.user_named("doc")) == (changed, None)
    with pytest.raises(FhirError, match="There is a user DR already"):
        await pair.one.put_user(User(id="u2", name="DR"))
    await pair.other.remove_client("app")
    assert await pair.one.client("app") is None


async def test_a_name_is_one_however_its_accents_are_typed(pair: Pair) -> None:
    jose = msgspec.structs.replace(DOC, id="u9", name=normalize("NFD", "José"))
    await pair.one.put_user(jose)
    for name in ("José", "JOSÉ"):
        for form in ("NFC", "NFD"):
            assert await pair.other.user_named(normalize(form, name)) == jose


async def test_changes_of_one_user_at_one_time_are_all_kept(pair: Pair):
    await pair.one.put_user(DOC)

    def adding(number: int) -> Callable[[User], User]:
        return lambda user: msgspec.structs.replace(user, passkeys=(*user.passkeys, {"id": f"k{number}"}))

    def closed(user: User) -> User:
        return msgspec.structs.replace(user, active=False)

    stores = [pair.one, pair.other] * 5
    await asyncio.gather(
        *(store.change_user("u1", adding(number)) for number, store in enumerate(stores)),
        pair.one.change_user("u1", closed),
    )
    user = await pair.other.user("u1")
    assert user is not None
    assert not user.active
    assert {each["id"] for each in user.passkeys} == {f"k{number}" for number in range(10)}


async def test_a_change_that_is_refused_or_of_nobody_keeps_nothing(pair: Pair):
    await pair.one.put_user(DOC)
    await pair.one.put_user(User(id="u2", name="Other"))
    with pytest.raises(FhirError, match="There is no such account"):
        await pair.one.change_user("nobody", lambda user: user)
    with pytest.raises(FhirError, match="There is a user Other already"):
        await pair.one.change_user("u1", lambda user: msgspec.structs.replace(user, name="Other"))
    assert await pair.other.user("u1") == DOC


async def test_the_newest_signing_key_comes_first(pair: Pair):
    await pair.one.add_signing_key("b", "ES384", {"d": "1"})
    await pair.other.add_signing_key("a", "ES384", {"d": "2"})
    assert [(key.kid, key.jwk) for key in await pair.one.signing_keys()] == [("a", {"d": "2"}), ("b", {"d": "1"})]


async def test_a_session_goes_on_everywhere_until_it_ends(pair: Pair):
    now = pair.clock.now
    session = Session(id="s", user="u1", begun=now, expires=now + 10_000_000)
    await pair.one.put_session("secret", session)
    seen = msgspec.structs.replace(session, seen=now + 1)
    await pair.other.saw_session("secret", seen)
    assert (await pair.one.session("secret"), await pair.one.sessions("u1")) == (seen, [seen])
    assert await pair.other.session_goes_on("u1", "s") and await pair.other.session("another") is None
    assert not await pair.other.session_goes_on("u2", "s")
    await pair.other.end_session("u1", "s")
    await pair.one.saw_session("secret", seen)
    assert await pair.one.session("secret") is None and not await pair.one.session_goes_on("u1", "s")
    await pair.one.put_session("late", msgspec.structs.replace(session, expires=now))
    assert await pair.other.session("late") is None


async def test_a_code_is_good_once_and_shown_again_ends_what_came_of_it(pair: Pair):
    code = Code(grant=GRANT, redirect_uri="https://app.test", challenge="x", expires=pair.clock.now + 60_000_000)
    await pair.one.put_code("code", code)
    taken = await asyncio.gather(pair.one.take_code("code"), pair.other.take_code("code"))
    assert [each for each in taken if each] == [code]
    assert await revoked(pair.one, "f", "t")
    assert await pair.other.take_code("never") is None


async def test_a_code_that_came_too_late_is_worth_nothing(pair: Pair):
    code = Code(grant=GRANT, redirect_uri="https://app.test", challenge="x", expires=pair.clock.now)
    await pair.one.put_code("code", code)
    assert await pair.other.take_code("code") is None


async def test_a_refresh_token_is_good_once(pair: Pair):
    await pair.one.begin_family("f", "u1", "app", "user/*.rs")
    refresh = Refresh(grant=GRANT, expires=pair.clock.now + 60_000_000)
    await pair.one.put_refresh("refresh", refresh)
    assert await pair.other.refresh_token("refresh") == refresh
    assert await pair.other.take_refresh("refresh") == refresh
    assert await pair.one.client_of_refresh("refresh") == "app" and await pair.one.client_of_refresh("x") == ""
    assert await pair.one.refresh_token("refresh") is None
    assert await pair.one.take_refresh("refresh") is None
    assert await revoked(pair.other, "f", "t")


@pytest.mark.parametrize("what", ["token", "family", "user", "client"])
async def test_a_revocation_counts_everywhere(pair: Pair, what: str):
    await pair.one.put_user(DOC)
    await pair.one.put_client(APP)
    await pair.one.begin_family("f", "u1", "app", "user/*.rs")
    assert not pair.one.known_good("f", "t")
    assert await pair.one.good("f", "t") and await pair.other.good("f", "t")
    assert pair.one.known_good("f", "t")
    assert [family.client for family in await pair.other.families("u1")] == ["app"]
    if what == "token":
        await pair.one.revoke_token("t", pair.clock.now + 60_000_000)
        assert await pair.one.good("f", "another")
    elif what == "family":
        await pair.one.revoke_family("f")
    elif what == "user":
        await pair.one.remove_user("u1")
    else:
        await pair.one.remove_client("app")
    assert not pair.one.known_good("f", "t")
    assert not await pair.one.good("f", "t")
    assert await revoked(pair.other, "f", "t")
    assert not pair.other.known_good("f", "t")
    assert len(await pair.other.families("u1")) == (what == "token")


async def test_an_authorization_is_forgotten_once_nothing_of_it_can_count(pair: Pair):
    for name in ("token", "code", "refresh", "named"):
        await pair.one.begin_family(name, "u1", "app", "user/*.rs")
    code = Code(grant=of("code"), redirect_uri="https://app.test", challenge="x", expires=pair.clock.now + DAY)
    await pair.one.put_code("code", code)
    refresh = Refresh(grant=of("refresh"), expires=pair.clock.now + OFFLINE_LIFE)
    await pair.one.put_refresh("refresh", refresh)
    ended = EndedFamilies(pair.other, named)

    async def kept(passed: int) -> set[str]:
        pair.clock.now += passed
        await ended.forget()
        return {family.id for family in await pair.one.families("u1")}

    assert await kept(ACCESS_LIFE - DAY // 2) == {"token", "code", "refresh", "named"}
    assert await kept(DAY) == {"code", "refresh", "named"}
    assert not await pair.one.good("token", "t") and await pair.one.good("code", "t")
    assert await kept(DAY) == {"refresh", "named"}
    assert await pair.one.take_refresh("refresh") == refresh
    await pair.one.put_refresh("next", msgspec.structs.replace(refresh, expires=pair.clock.now + OFFLINE_LIFE))
    assert await kept(OFFLINE_LIFE + ACCESS_LIFE - DAY) == {"refresh", "named"}
    assert await kept(2 * DAY) == {"named"} and await pair.one.good("named", "t")


async def test_without_knowing_who_speaks_of_them_no_authorization_is_forgotten(pair: Pair):
    await pair.one.begin_family("f", "u1", "app", "user/*.rs")
    pair.clock.now += ACCESS_LIFE + 1
    await EndedFamilies(pair.one, None).forget()
    assert await pair.one.good("f", "t")


async def test_what_an_older_program_began_stays_as_long_as_it_may_give_tokens(
    pair: Pair, settings: Settings, engine: str, tmp_path: Path
):
    await pair.one.begin_family("f", "u1", "app", "user/*.rs")
    if engine == EMBEDDED:
        with sqlite3.connect(tmp_path / "security.sqlite") as connection:
            connection.execute("DROP INDEX family_until")
            connection.execute("ALTER TABLE family DROP COLUMN until")
        started: AccountStore = SqliteAccounts(tmp_path / "security.sqlite", pair.clock)
    else:
        from pymongo import AsyncMongoClient

        async with AsyncMongoClient(settings.mongodb_url) as client:
            await client[settings.mongodb_database]["security_family"].update_many({}, {"$unset": {"until": ""}})
        started = pair.one
        await pair.one.start()  # type: ignore[attr-defined]
    pair.clock.now += OFFLINE_LIFE
    await EndedFamilies(started, named).forget()
    assert await started.good("f", "t")
    pair.clock.now += ACCESS_LIFE + DAY
    await EndedFamilies(started, named).forget()
    assert await revoked(started, "f", "t")
    if started is not pair.one:
        await started.close()


async def test_nothing_is_good_that_was_never_begun(pair: Pair):
    assert not await pair.one.good("none", "t")
    await pair.other.begin_family("none", "", "app", "")
    assert await pair.one.good("none", "t")


async def test_launches_and_questions_are_known_until_they_end(pair: Pair):
    until = pair.clock.now + 60_000_000
    await pair.one.put_launch("l", {"patient": "p"}, until)
    await pair.one.put_launch("over", {"patient": "p"}, pair.clock.now)
    assert (await pair.other.launch("l"), await pair.other.launch("over")) == ({"patient": "p"}, None)
    await pair.one.put_pending("passkey", "x", {"user": "u1"}, until)
    assert await pair.other.take_pending("other", "x") is None
    assert await pair.other.take_pending("passkey", "x") == {"user": "u1"}
    assert await pair.one.take_pending("passkey", "x") is None


async def test_an_identifier_is_used_once(pair: Pair):
    until = pair.clock.now + 60_000_000
    first = await asyncio.gather(pair.one.first_use("i", "j", until), pair.other.first_use("i", "j", until))
    assert sorted(first) == [False, True]
    assert await pair.other.first_use("another", "j", until) and await pair.one.first_use("i", "k", until)


async def test_failures_are_counted_together(pair: Pair):
    assert [await store.count_failure("user:doc") for store in (pair.one, pair.other, pair.one)] == [1, 2, 3]
    assert await pair.other.locked_until("user:doc") == 0
    until = pair.clock.now + 60_000_000
    await pair.one.lock("user:doc", until)
    assert (await pair.other.locked_until("user:doc"), await pair.other.locked_until("user:ada")) == (until, 0)
    await pair.other.forget_failures("user:doc")
    assert (await pair.one.locked_until("user:doc"), await pair.one.count_failure("user:doc")) == (0, 1)


async def test_failures_of_long_ago_are_forgotten(pair: Pair):
    for _ in range(3):
        await pair.one.count_failure("user:doc")
    await pair.one.count_failure("user:ada")
    until = pair.clock.now + FORGOTTEN
    await pair.one.lock("user:doc", until)
    pair.clock.now = until + 1000
    assert (await pair.other.count_failure("user:ada"), await pair.other.count_failure("user:doc")) == (1, 4)
    pair.clock.now += FORGOTTEN + 1000
    assert await pair.other.count_failure("user:doc") == 1


async def test_where_a_user_has_signed_in_is_known_for_a_while(pair: Pair):
    await pair.one.put_place("u1", "address:10.0.0.1", pair.clock.now + DAY)
    await pair.one.put_place("u2", "address:10.0.0.2", pair.clock.now + DAY)
    known = [("u1", "address:10.0.0.1"), ("u1", "address:10.0.0.2"), ("u2", "address:10.0.0.2")]
    assert [await pair.other.knows_place(*each) for each in known] == [True, False, True]
    await pair.other.forget_places("u2")
    assert [await pair.one.knows_place(*each) for each in known] == [True, False, False]
    pair.clock.now += DAY
    assert not await pair.one.knows_place("u1", "address:10.0.0.1")
    await pair.one.put_place("u1", "address:10.0.0.1", pair.clock.now + DAY)
    assert await pair.one.knows_place("u1", "address:10.0.0.1")
    await pair.one.remove_user("u1")
    assert not await pair.other.knows_place("u1", "address:10.0.0.1")


async def test_requests_of_a_minute_are_counted_together(pair: Pair):
    assert [await store.count_asked("10.0.0.1", 7) for store in (pair.one, pair.other, pair.one)] == [1, 2, 3]
    assert (await pair.other.count_asked("10.0.0.2", 7), await pair.other.count_asked("10.0.0.1", 8)) == (1, 1)


async def test_an_emergency_is_one_for_a_user_in_an_application(pair: Pair):
    one, other = pair.emergencies
    now = pair.clock.now
    made = Emergency(id="e1", user="u1", client="app", fhir_user="", reason="r", begun=now, until=now + 10_000_000)
    again = msgspec.structs.replace(made, id="e2")
    assert await one.begin(made) and not await other.begin(again)
    await other.keep(msgspec.structs.replace(made, task="Task/1"))
    assert (await one.now("u1", "app")).task == "Task/1" and await one.now("u1", "other") is None  # type: ignore
    await other.forget(made)
    assert await one.now("u1", "app") is None and await one.begin(again)
    pair.clock.now = again.until
    assert await one.now("u1", "app") is None
    assert await other.begin(msgspec.structs.replace(again, id="e3", begun=pair.clock.now, until=2 * pair.clock.now))


async def test_in_a_shared_store_everything_is_sealed(pair: Pair, settings: Settings, engine: str, tmp_path: Path):
    if engine == EMBEDDED:
        pytest.skip("the file is its owner's alone to read")
    from pymongo import AsyncMongoClient

    await pair.one.put_user(DOC)
    await pair.one.add_signing_key("k", "ES384", {"d": "PRIVATE"})
    async with AsyncMongoClient(settings.mongodb_url) as client:
        database = client[settings.mongodb_database]
        for name in await database.list_collection_names():
            for document in await database[name].find().to_list():
                assert not [word for word in ("SECRET", "hash", "PRIVATE") if word in str(document)]
    add_key(tmp_path / "keys.json")
    assert await pair.other.user("u1") == DOC

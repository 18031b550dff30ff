"""The accounts' file is not read whole for what has ended, nor for the sign-ins of one user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.security.model import Code, Grant, Refresh, Session
from fhir_server.security.store import SqliteAccounts

pytestmark = pytest.mark.anyio

GRANT = Grant(family="f", client="app", scope="user/*.rs", user="u")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteAccounts]:
    store = SqliteAccounts(tmp_path / "security.sqlite", lambda: 10**15)
    yield store
    await store.close()


async def test_rows_that_are_few_among_many_are_found_by_an_index(store: SqliteAccounts) -> None:
    connection = store._connection
    ran: list[str] = []
    connection.set_trace_callback(ran.append)
    later = 2 * 10**15
    await store.put_code("c", Code(grant=GRANT, redirect_uri="https://app.test", challenge="x", expires=later))
    await store.put_refresh("r", Refresh(grant=GRANT, expires=later))
    await store.revoke_token("t", later)
    await store.put_session("s", Session(id="s", user="u", begun=1, expires=later))
    assert await store.session_goes_on("u", "s")
    await store.put_launch("l", {}, later)
    await store.put_pending("passkey", "p", {}, later)
    await store.first_use("issuer", "j", later)
    await store.count_failure("user:u")
    await store.count_asked("address:1", 7)
    await store.put_place("u", "address:1", later)
    assert await store.knows_place("u", "address:1")
    await store.forget_places("u")
    connection.set_trace_callback(None)
    looked = [each for each in ran if each.startswith(("DELETE", "SELECT"))]
    assert len(looked) == 13
    for statement in looked:
        (plan,) = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        assert plan[3].startswith("SEARCH"), (statement, plan[3])
    (of_user,) = (each for each in looked if "session WHERE user" in each)
    assert "session_user" in connection.execute(f"EXPLAIN QUERY PLAN {of_user}").fetchone()[3]

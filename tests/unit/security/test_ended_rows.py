"""What has ended is removed from the accounts' file without reading all that goes on."""

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


async def test_what_has_ended_is_found_by_an_index(store: SqliteAccounts) -> None:
    connection = store._connection
    ran: list[str] = []
    connection.set_trace_callback(ran.append)
    later = 2 * 10**15
    await store.put_code("c", Code(grant=GRANT, redirect_uri="https://app.test", challenge="x", expires=later))
    await store.put_refresh("r", Refresh(grant=GRANT, expires=later))
    await store.revoke_token("t", later)
    await store.put_session("s", Session(id="s", user="u", begun=1, expires=later))
    await store.put_launch("l", {}, later)
    await store.put_pending("passkey", "p", {}, later)
    await store.first_use("issuer", "j", later)
    await store.count_failure("user:u")
    await store.count_asked("address:1", 7)
    connection.set_trace_callback(None)
    removals = [each for each in ran if each.startswith("DELETE")]
    assert len(removals) == 9
    for statement in removals:
        (plan,) = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        assert plan[3].startswith("SEARCH"), (statement, plan[3])

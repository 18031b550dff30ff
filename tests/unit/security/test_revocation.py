"""A revocation holds at once for whoever shares the file, and soon where it was made by something else."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from fhir_server.security.store import SqliteAccounts
from fhir_server.security.store.sqlite import grants

pytestmark = pytest.mark.anyio


async def asked(store: SqliteAccounts) -> bool:
    return await store.good("family", "token")


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[SqliteAccounts, SqliteAccounts]]:
    """Two processes' views of one file, both of which know the token as good."""
    one, other = (SqliteAccounts(tmp_path / "security.sqlite", lambda: 1) for _ in range(2))
    await one.begin_family("family", "user", "client", "user/*.rs")
    assert await asked(one) and await asked(other)
    yield one, other
    await one.close()
    await other.close()


@pytest.mark.parametrize(
    "revoke",
    [
        lambda store: store.revoke_token("token", 2),
        lambda store: store.revoke_family("family"),
        lambda store: store.remove_user("user"),
        lambda store: store.remove_client("client"),
    ],
)
async def test_a_revocation_by_another_process_holds_at_once(
    pair, revoke: Callable[[SqliteAccounts], Awaitable[None]]
) -> None:
    one, other = pair
    await revoke(other)
    assert not await asked(one) and not await asked(other)


async def test_a_token_that_was_not_known_is_good_once_it_is(pair) -> None:
    one, other = pair
    assert not await one.good("later", "token")
    await other.begin_family("later", "user", "client", "user/*.rs")
    assert await one.good("later", "token")


async def test_a_change_that_nobody_told_of_is_noticed(pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = pair
    with sqlite3.connect(tmp_path / "security.sqlite") as connection:
        connection.execute("UPDATE family SET revoked = 1")
    monkeypatch.setattr(grants, "LOOK_EVERY", 0.0)
    assert not await asked(one)

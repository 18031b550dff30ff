"""A revocation holds at once for whoever shares the file, and soon where it was made by something else."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fhir_server.security.store import SecurityStore, database


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], SecurityStore]]:
    stores: list[SecurityStore] = []

    def another() -> SecurityStore:
        stores.append(SecurityStore(tmp_path / "security.sqlite", lambda: 1))
        return stores[-1]

    yield another
    for store in stores:
        store.close()


def asked(store: SecurityStore) -> bool:
    return store.good("family", "token")


@pytest.fixture
def pair(opened: Callable[[], SecurityStore]) -> tuple[SecurityStore, SecurityStore]:
    """Two processes' views of one file, both of which know the token as good."""
    one, other = opened(), opened()
    one.begin_family("family", "user", "client", "user/*.rs")
    assert asked(one) and asked(other)
    return one, other


@pytest.mark.parametrize(
    "revoke",
    [
        lambda store: store.revoke_token("token", 2),
        lambda store: store.revoke_family("family"),
        lambda store: store.remove_user("user"),
        lambda store: store.remove_client("client"),
    ],
)
def test_a_revocation_by_another_process_holds_at_once(pair, revoke: Callable[[SecurityStore], None]) -> None:
    one, other = pair
    revoke(other)
    assert not asked(one) and not asked(other)


def test_a_token_that_was_not_known_is_good_once_it_is(pair) -> None:
    one, other = pair
    assert not one.good("later", "token")
    other.begin_family("later", "user", "client", "user/*.rs")
    assert one.good("later", "token")


def test_a_change_that_nobody_told_of_is_noticed(pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = pair
    with sqlite3.connect(tmp_path / "security.sqlite") as connection:
        connection.execute("UPDATE family SET revoked = 1")
    monkeypatch.setattr(database, "LOOK_EVERY", 0.0)
    assert not asked(one)

"""Tokens that were shown lately: revoked, expired or of a caller that has changed, one is known no more."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.core.ports import Caller
from fhir_server.interactions.access.recognised import Recognised
from fhir_server.security.model import Access

BASE = "http://fhir.test/fhir"


class World:
    """Accounts, callers and a clock."""

    good, made, seconds = True, 1, 0

    def known_good(self, family: str, jti: str) -> bool:
        return self.good

    def made_of(self) -> int:
        return self.made

    def __call__(self) -> int:
        return self.seconds * 1_000_000


@pytest.mark.parametrize(("change", "to"), [("good", False), ("made", 2), ("seconds", 60)])
def test_a_token_is_known_until_it_is_revoked_or_expires_or_its_caller_changes(change: str, to: object) -> None:
    world: Any = World()
    recognised = Recognised(world, world, world)
    caller = Caller(access=Access(client="app", scope="user/*.rs", family="f", jti="j", expires=60))
    recognised.keep("token", BASE, caller, 1)
    assert recognised.get("token", BASE) is caller
    assert recognised.get("token", "http://other.test/fhir") is None
    setattr(world, change, to)
    assert recognised.get("token", BASE) is None
    assert recognised.get("token", BASE) is None

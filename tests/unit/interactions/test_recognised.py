"""Tokens that were shown lately: one that was revoked is known no more, for all who show it at once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from fhir_server.core.ports import Caller
from fhir_server.interactions.recognised import Recognised
from fhir_server.security.model import Access


class Revoked:
    """Accounts that are asked elsewhere, so that others get their turn meanwhile."""

    async def good(self, family: str, jti: str) -> bool:
        await asyncio.sleep(0)
        return False


def test_a_revoked_token_that_several_show_at_once_is_found_out_anew_by_each():
    async def run() -> list[Caller | None]:
        accounts: Any = Revoked()
        callers: Any = SimpleNamespace(made_of=lambda: 1)
        recognised = Recognised(accounts, callers, lambda: 0)
        access = Access(client="app", scope="user/*.rs", family="f", jti="j", expires=60)
        recognised.keep("token", "http://fhir.test/fhir", Caller(access=access), 1)
        return await asyncio.gather(*[recognised.get("token", "http://fhir.test/fhir") for _ in range(3)])

    assert asyncio.run(run()) == [None, None, None]

"""What the mapping engine asks of the store, asked of a FHIR server as any client asks it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fhir_server.api import Request
from fhir_server.client import FhirClient
from fhir_server.codec import json
from fhir_server.core.errors import FhirError

AT_ONCE = 80  # identifiers in one search
PAGE = "500"
_SPECIAL = re.compile(r"([\\,|$])")


class ClientReader:
    """Reads through a FHIR client; fulfils mappings.hl7v2.reader.Reader."""

    def __init__(self, client: FhirClient) -> None:
        self._client = client

    async def find(self, type_name: str, identifiers: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        """The resources of a type that have any of these identifiers."""
        found: dict[str, dict[str, Any]] = {}
        for start in range(0, len(identifiers), AT_ONCE):
            if start:  # others get their turn
                await asyncio.sleep(0)
            tokens = [f"{_escaped(system)}|{_escaped(value)}" for system, value in identifiers[start : start + AT_ONCE]]
            for one in await self._search((type_name,), [("identifier", ",".join(tokens))]):
                found[one["id"]] = one
        return list(found.values())

    async def read(self, reference: str) -> dict[str, Any] | None:
        """The resource of a reference; None where there is none."""
        try:
            answer = await self._client.perform(Request("GET", tuple(reference.split("/")[:2])))
        except FhirError as problem:
            if problem.category in ("not-found", "deleted"):
                return None
            raise
        return json.parse(answer.body)

    async def referring(self, reference: str) -> list[dict[str, Any]]:
        """The resources of a patient's compartment."""
        return await self._search((*reference.split("/")[:2], "*"), [])

    async def search(self, type_name: str, query: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """All matches of a search."""
        return await self._search((type_name,), query)

    async def any(self, type_name: str, query: list[tuple[str, str]]) -> bool:
        """Whether a search has a match."""
        answer = await self._client.perform(Request("GET", (type_name,), [*query, ("_count", "1"), ("_total", "none")]))
        return bool(json.parse(answer.body).get("entry"))

    async def _search(self, path: tuple[str, ...], query: list[tuple[str, str]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        asked = [*query, ("_count", PAGE), ("_total", "none")]
        while asked:
            bundle = json.parse((await self._client.perform(Request("GET", path, asked))).body)
            found.extend(
                entry["resource"]
                for entry in bundle.get("entry", ())
                if entry.get("search", {}).get("mode", "match") == "match"
            )
            following = next((link["url"] for link in bundle.get("link", ()) if link["relation"] == "next"), "")
            asked = parse_qsl(urlsplit(following).query, keep_blank_values=True) if following else []
        return found


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)

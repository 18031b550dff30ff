"""MongoDB alone, without a search index: everything but searches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from fhir_server.core.errors import error
from fhir_server.core.query import Clause, Page, Query


class NoIndex:
    """The `SearchIndex` port where elasticsearch_url is not set: each question is refused."""

    async def search(self, query: Query) -> Page:
        """Refused."""
        self._refuse()

    async def count(self, types: Sequence[str], where: Clause) -> int:
        """Refused."""
        self._refuse()

    async def counts(self) -> dict[str, int]:
        """Nothing is counted."""
        return {}

    async def close(self) -> None:
        """Holds nothing."""

    @staticmethod
    def _refuse() -> NoReturn:
        raise error("unavailable", "This server has no search index: its operator has to set elasticsearch_url.")

"""What the works of a group have put, as far as it tells that a criterion has nothing to do with it."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.core.query import All, Clause, TokenIs
from fhir_server.core.values import TOKEN, SearchValue


class Touched:
    """Resources and tokens that were put since the group began; of works that failed too, which does no harm."""

    def __init__(self) -> None:
        self._resources: set[tuple[str, str]] = set()
        self._tokens: set[tuple[str, str]] = set()

    def clear(self) -> None:
        """At the begin of a group."""
        self._resources.clear()
        self._tokens.clear()

    def add(self, type: str, id: str, values: Sequence[SearchValue]) -> None:
        """A resource was put with these values."""
        self._resources.add((type, id))
        self._tokens.update([value[2:4] for value in values if value[0] == TOKEN])

    def has(self, type: str, id: str) -> bool:
        """Whether this resource was put."""
        return (type, id) in self._resources

    def may_hold(self, where: Clause) -> bool:
        """Whether a clause may hold for something that was put: surely not, where it asks for a token that none has."""
        if not self._resources:
            return False
        if isinstance(where, All):
            return all(self.may_hold(part) for part in where.clauses)
        if isinstance(where, TokenIs) and where.code is not None and where.system is not None:
            return (where.system, where.code) in self._tokens
        return True

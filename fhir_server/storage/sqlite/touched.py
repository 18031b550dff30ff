"""What the works of a group have put, as far as it tells that a criterion has nothing to do with it."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.core.query import All, Clause, DateIs, IdIn, RefersTo, StringIs, TokenIs
from fhir_server.core.values import TOKEN, SearchValue

HELD = 100  # resources whose values are kept until somebody asks
OF_ITSELF = (TokenIs, StringIs, DateIs, RefersTo, IdIn)  # clauses that ask for values of the resource itself only


class Touched:
    """Resources and tokens that were put since the group began; of works that failed too, which does no harm."""

    def __init__(self) -> None:
        self._resources: set[tuple[str, str]] = set()
        self._values: list[Sequence[SearchValue]] = []  # whose tokens are not looked at yet: most groups never ask
        self._tokens: set[tuple[str, str]] = set()

    def clear(self) -> None:
        """At the begin of a group."""
        self._resources.clear()
        self._values.clear()
        self._tokens.clear()

    def add(self, type: str, id: str, values: Sequence[SearchValue]) -> None:
        """A resource was put with these values."""
        self._resources.add((type, id))
        self._values.append(values)
        if len(self._values) > HELD:
            self._take_tokens()

    def has(self, type: str, id: str) -> bool:
        """Whether this resource was put."""
        return (type, id) in self._resources

    def may_matter(self, where: Clause) -> bool:
        """Whether what was put may change what a clause finds: by itself, or as what a chain or the like leads to."""
        if not self._resources:
            return False
        self._take_tokens()
        return not asks_itself(where) or self._may_hold(where)

    def _take_tokens(self) -> None:
        for values in self._values:
            self._tokens.update([value[2:4] for value in values if value[0] == TOKEN])
        self._values.clear()

    def _may_hold(self, where: Clause) -> bool:
        """Whether a clause may hold for something that was put: surely not, where it asks for a token that none has."""
        if isinstance(where, All):
            return all(self._may_hold(part) for part in where.clauses)
        token = token_of(where)
        return token is None or token in self._tokens


def asks_itself(where: Clause) -> bool:
    """Whether a clause asks for values of the resource itself only, so that no change of another can make it hold."""
    if isinstance(where, All):
        return all(asks_itself(part) for part in where.clauses)
    return isinstance(where, OF_ITSELF)


def token_of(where: Clause) -> tuple[str, str] | None:
    """(system, code) where a clause asks for one token, None for any other."""
    if isinstance(where, TokenIs) and where.code is not None and where.system is not None:
        return where.system, where.code
    return None

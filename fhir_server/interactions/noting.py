"""Whose commits the audit log has an event of: of the request that is performed, as long as it is.

What an interaction commits passes views, guards and Provenance on its way to the store; the store below all of them
(noted.py) asks here what it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fhir_server.interactions.request import Request


class Noting:
    """Of a request that may write. address: where it is from; query: of its URL as it came, None for what it has.

    request: the one that is performed now; committed: whether it has committed something, with an event, and patients:
    whom these events are about.
    """

    __slots__ = ("address", "committed", "patients", "query", "request")

    def __init__(self, address: str = "", query: str | None = None) -> None:
        self.address = address
        self.query = query
        self.request: Request | None = None
        self.committed = False
        self.patients: set[str] = set()

    def of_entry(self) -> Noting:
        """That of a request within it, whose commits have events of their own."""
        return Noting(self.address)

    def others(self, patients: Iterable[str]) -> tuple[str, ...]:
        """Those patients that no event of what was committed is about."""
        return tuple([id for id in patients if id not in self.patients])

    def begin(self, request: Request) -> Token[Noting | None]:
        """It is performed from now on."""
        self.request = request
        return _performed.set(self)

    def end(self, begun: Token[Noting | None]) -> None:
        """It was performed: what goes on afterwards, in a task that it began, is not its."""
        _performed.reset(begun)
        self.request = None


_performed: ContextVar[Noting | None] = ContextVar("noting", default=None)


def current() -> Noting | None:
    """That of the request that is performed now, None where none of its commits is noted."""
    found = _performed.get()
    return found if found is not None and found.request is not None else None

"""Requests of one search, and what their failures mean to whoever searches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from elastic_transport import ConnectionError as Unreachable
from elastic_transport import ConnectionTimeout, TransportError
from elasticsearch import ApiError, AsyncElasticsearch

from fhir_server.core.errors import FhirError, error

T = TypeVar("T")

SECONDS = 15.0  # that one request may take
KEEP_ALIVE = "1m"  # of a point in time, from one request to the next
RETRY_AFTER = {"Retry-After": "5"}
BUSY = (408, 429, 502, 503, 504)
EXPIRED = "search_context_missing_exception"
TOO_MANY = ("too_many_clauses", "too_many_nested_clauses", "maxclausecount", "max_clause_count", "nested depth")


def unavailable(problem: str = "can't be reached now") -> FhirError:
    """What a search is told while there is no index to ask."""
    return error(
        "unavailable",
        f"Searches can't be answered: the search index {problem}. Reads by id and writes go on; try again soon.",
        headers=RETRY_AFTER,
    )


def too_complex() -> FhirError:
    """What to answer where a search can't be nested any deeper."""
    return error("too-costly", "This search is nested too deeply or has too many parts; split it into several.")


def is_away(problem: Exception) -> bool:
    """Whether Elasticsearch is not there, or too busy, so that trying again later is right."""
    if isinstance(problem, ApiError):
        return problem.status_code in BUSY
    return isinstance(problem, Unreachable | ConnectionTimeout)


def meaning(problem: ApiError | TransportError) -> FhirError | None:
    """The answer to a search that Elasticsearch refused or never had; None where it is our mistake."""
    if is_away(problem):
        busy = isinstance(problem, ApiError) and problem.status_code == 429
        return unavailable("has too much to do") if busy else unavailable()
    if isinstance(problem, ApiError):
        told = str(problem.body).lower()
        if problem.status_code == 404:
            return unavailable("is being built")
        if problem.status_code == 413 or any(each in told for each in TOO_MANY):
            return too_complex()
    return None


async def answered(work: Callable[[], Awaitable[T]]) -> T:
    """What work returns; its failures as answers."""
    try:
        return await work()
    except RecursionError:
        raise too_complex() from None
    except (ApiError, TransportError) as problem:
        told = meaning(problem)
        if told is None:
            raise
        raise told from problem


class Asking:
    """Asks one index; within a point in time, every request of a search sees one state of it."""

    def __init__(self, client: AsyncElasticsearch, index: str) -> None:
        self._client = client.options(request_timeout=SECONDS)
        self._index = index
        self._point = ""

    @asynccontextmanager
    async def one_state(self) -> AsyncIterator[None]:
        """A point in time for the requests inside."""
        await self._open()
        try:
            yield
        finally:
            point, self._point = self._point, ""
            try:
                await self._client.close_point_in_time(id=point)
            except (ApiError, TransportError):  # it ends by itself
                return

    async def _open(self) -> None:
        opened = await self._client.open_point_in_time(index=self._index, keep_alive=KEEP_ALIVE)
        self._point = opened["id"]

    async def search(self, body: dict[str, Any]) -> dict[str, Any]:
        """One request. Where the point in time has run out a new one goes on: every order is by values that stay."""
        if not self._point:
            return (await self._client.search(index=self._index, body=body)).body
        try:
            return await self._at_point(body)
        except ApiError as problem:
            if problem.status_code != 404 or EXPIRED not in str(problem.body):
                raise
            await self._open()
            return await self._at_point(body)

    async def _at_point(self, body: dict[str, Any]) -> dict[str, Any]:
        point = {"id": self._point, "keep_alive": KEEP_ALIVE}
        return (await self._client.search(body={**body, "pit": point})).body

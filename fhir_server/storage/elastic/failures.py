"""What fails at Elasticsearch, as answers to whoever searches and as advice to whoever runs the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from elastic_transport import ConnectionError as Unreachable
from elastic_transport import ConnectionTimeout, SerializationError, TlsError, TransportError
from elasticsearch import ApiError, UnsupportedProductError

from fhir_server.core.errors import FhirError, error
from fhir_server.core.repeats import Repeats
from fhir_server.storage.changes.entries import Busy

T = TypeVar("T")

RETRY_AFTER = {"Retry-After": "5"}
BUSY = (408, 429, 502, 503, 504)
REFUSED = (401, 403)
BLOCKED = "cluster_block_exception"
CLOSED = "index_closed_exception"
TOO_MANY = ("too_many_clauses", "too_many_nested_clauses", "maxclausecount", "max_clause_count", "nested depth")

log = structlog.get_logger("elasticsearch")
told_already = Repeats()


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
    if _is_foreign(problem):
        _tell(problem)
        return unavailable("is none, which the server's operator has to put right")
    if isinstance(problem, ApiError):
        if problem.status_code in REFUSED:
            _tell(problem)
            if _type(problem) == BLOCKED:
                return unavailable("is blocked now")
            return unavailable("refuses this server, which its operator has to put right")
        text = str(problem.body).lower()
        if problem.status_code == 404:
            return unavailable("is being built")
        if _type(problem) == CLOSED:
            return unavailable("is closed")
        if problem.status_code >= 500:
            _tell(problem)
            return unavailable("fails, which the server's operator has to look into")
        if problem.status_code == 413 or any(each in text for each in TOO_MANY):
            return too_complex()
    return None


def _tell(problem: Exception) -> None:
    text = advice(problem)
    if times := told_already.due(text):
        log.warning("a search failed", problem=text, times=times)


async def answered(work: Callable[[], Awaitable[T]]) -> T:
    """What work returns; its failures as answers."""
    try:
        return await work()
    except RecursionError:
        raise too_complex() from None
    except (ApiError, TransportError) as problem:
        answer = meaning(problem)
        if answer is None:
            raise
        raise answer from problem


def advice(problem: Exception) -> str:
    """What is wrong and what to do about it, for whoever runs the server: one sentence."""
    status = problem.status_code if isinstance(problem, ApiError) else 0
    if status == 401:
        return "it refuses the login in elasticsearch_url; put the right user:password@ there"
    if status in (403, 429) and _type(problem) == BLOCKED:
        return "its indices are read-only, mostly as its disk is full; make room there"
    if status == 403:
        return f"it refuses what this server asks ({_type(problem)}); give the user of elasticsearch_url its rights"
    if status == 429:
        return "it has too much to do; give it more memory or nodes"
    if status in BUSY:
        return f"it, or a gateway before it, is not ready ({status})"
    if status == 400 and _type(problem) == CLOSED:
        return "its index is closed; open it (POST /INDEX/_open)"
    if status >= 500 and isinstance(problem, ApiError) and isinstance(problem.body, dict):
        return f"it fails ({_type(problem)}); its own log says why"
    if _is_foreign(problem):
        return "what answers at elasticsearch_url is no Elasticsearch 8 or 9; correct its host and port"
    if isinstance(problem, TlsError):
        return f"TLS fails ({_cause(problem)}); look at elasticsearch_ca and at http or https in elasticsearch_url"
    if isinstance(problem, ConnectionTimeout):
        return "it does not answer in time; it is overloaded, or hangs"
    if isinstance(problem, Unreachable):
        return f"nothing answers at elasticsearch_url ({_cause(problem)}); start it, or correct the URL"
    return f"{type(problem).__name__}: {str(problem)[:200]}"


def _type(problem: Exception) -> str:
    return problem.error if isinstance(problem, ApiError) and len(problem.error) < 100 else "no reason given"


def _is_foreign(problem: Exception) -> bool:
    """Whether what answered is no Elasticsearch, such as a gateway before it whose errors have a form of their own."""
    if isinstance(problem, UnsupportedProductError | SerializationError):
        return True
    return isinstance(problem, ApiError) and not isinstance(problem.body, dict) and problem.status_code not in BUSY


def _cause(problem: Exception) -> str:
    """The innermost reason, as the system says it."""
    while errors := getattr(problem, "errors", ()):
        problem = errors[-1]
    system = getattr(problem, "os_error", None)
    return str(system.strerror or system)[:120] if system else type(problem).__name__


async def told(work: Callable[[], Awaitable[T]]) -> T:
    """What work returns; its failures for whoever runs a command."""
    try:
        return await work()
    except (ApiError, TransportError) as problem:
        raise error("unavailable", f"Elasticsearch can't be asked: {advice(problem)}.") from problem
    except Busy as problem:
        raise error("unavailable", f"Elasticsearch takes nothing now: {problem}. Try again.") from problem

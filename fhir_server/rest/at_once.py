"""What is answered where it was received, without ASGI: plain reads, searches by one code in a system, and histories.

Only of a store whose reads wait for nothing, for a caller who sees all of the type. Where an audit log is kept the
answer goes out once its event is durable, and no task waits for that.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import structlog

from fhir_server.api import FhirServer
from fhir_server.codec.asgi import base_of
from fhir_server.codec.formats import JSON, negotiate
from fhir_server.core.at_once import at_once
from fhir_server.core.errors import FhirError
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import OPEN
from fhir_server.rest import content_coding, request_id
from fhir_server.rest.auditing import HISTORY_INSTANCE, HISTORY_TYPE, READ, SEARCH, Auditing
from fhir_server.rest.decode import READ_CONDITIONS, headers_of, pairs
from fhir_server.rest.encode import JSON_TYPE, NOT_KEPT, VARY, Answer, Headers, error_answer, failure, version_headers
from fhir_server.rest.observing import Observe

SHAPING = frozenset(
    name.encode() for name in (*READ_CONDITIONS, "origin", "prefer", "x-purpose", "x-purpose-reason", request_id.HEADER)
)
# of all types but those whose answers are made in ways of their own
PLAIN = re.compile(rb"/fhir/(?!Binary|AuditEvent)([A-Z][A-Za-z]*)(?:/([A-Za-z0-9.-]{1,64}))?(/_history)?").fullmatch
ONE_TOKEN = re.compile(rb"[a-z-]+=[^&|,$\\]*(?:\||%7[Cc])[^&|,$\\]*").fullmatch  # code in a system: found at once
COUNT = re.compile(rb"_count=[1-9][0-9]?").fullmatch
HISTORY = "_history"

Send = Callable[[int, Headers, bytes], None]

log = structlog.get_logger("fhir")


class Asked(NamedTuple):
    """A request that may be answered so. path: below the base; told: the interaction and its action; sent: its headers,
    each of which came once."""

    path: tuple[str, ...]
    told: tuple[str, str]
    sent: dict[bytes, bytes]


class AtOnce:
    """Of one server; auditing: None where no audit log is kept."""

    def __init__(self, server: FhirServer, auditing: Auditing | None, observe: Observe) -> None:
        self._server = server
        self._auditing = auditing
        self._observe = observe
        self._anybody = server.open and auditing is None  # it does not matter who asks
        self._always = [VARY] if server.open else [VARY, NOT_KEPT]
        self._trust = server.settings.trust_proxy

    def __call__(self, scope: dict[str, Any], send: Send) -> bool:
        """Whether it answers, by send(status, headers, body) now or later; the request is for ASGI where not."""
        started = time.perf_counter()
        asked = _asked(scope)
        if asked is None:
            return False
        path, told, sent = asked
        auditing, server = self._auditing, self._server
        caller, base, headers = OPEN, "", {}
        given: Headers = []
        try:
            if told is not READ or not self._anybody:
                if server.behind:
                    return False
                headers = headers_of(scope) if self._trust else _named(sent)
                base = base_of(scope, headers, server.settings)
                if not server.open:
                    recognised = server.recognised(headers, base)
                    if recognised is None:
                        return False
                    caller = recognised
            if told is READ:
                version = server.read_at_once(path[0], path[1], caller)
                if version is None:
                    return False
                shown: Sequence[StoredVersion] = (version,)
                body, given = version.body, version_headers(version)
            else:
                found = server.found_at_once(path, pairs(scope["query_string"], "query"), base, caller)
                if found is None or found.shown is None:
                    return False
                body, shown = found.body, found.shown
            given.append(JSON_TYPE)
            if len(body) >= content_coding.FROM:
                body, given = self._packed(scope, body, given)
        except Exception:  # ASGI tells why, or waits
            return False
        given += self._always
        given.append((b"content-length", b"%d" % len(body)))
        if auditing is None:
            self._observe("GET", path, 200, time.perf_counter() - started)
            send(200, given, body)
            return True

        def kept(problem: Exception | None) -> None:
            answer = (200, given, body) if problem is None else self._refused(problem)
            self._observe("GET", path, answer[0], time.perf_counter() - started)
            send(*answer)

        return auditing.at_once(scope, headers, path, told, caller, shown, kept)

    def _packed(self, scope: dict[str, Any], body: bytes, headers: Headers) -> tuple[bytes, Headers]:
        """The body as it goes to the caller; RuntimeError where that must be waited for."""
        answer = Answer(200, headers, body)
        if content_coding.worth_it(answer, scope, self._server.settings):
            at_once(content_coding.coded(answer, headers_of(scope).get("accept-encoding", "")))
        return answer.body, answer.headers

    def _refused(self, problem: Exception) -> tuple[int, Headers, bytes]:
        """What is sent in place of an answer whose event could not be kept."""
        if not isinstance(problem, FhirError):
            log.error("request failed", exc_info=problem)
            problem = failure()
        answer = error_answer(problem, JSON, self._server.definitions)
        length = (b"content-length", b"%d" % len(answer.body))
        return answer.status, [*answer.headers, *self._always, length], answer.body


def _asked(scope: dict[str, Any]) -> Asked | None:
    """What is asked for, where it is answered so: in JSON, and shaped by no header; None for any other request."""
    plain = PLAIN(scope["raw_path"])
    if plain is None or scope["method"] != "GET":
        return None
    sent = dict(scope["headers"])
    if len(sent) < len(scope["headers"]) or not SHAPING.isdisjoint(sent):
        return None
    try:
        if negotiate(sent.get(b"accept", b"").decode("latin-1"), "") is not JSON:
            return None
    except FhirError:
        return None
    type, id, history = plain.groups()
    query = scope["query_string"]
    if history:
        if query and not COUNT(query):
            return None
        if id:
            return Asked((type.decode(), id.decode(), HISTORY), HISTORY_INSTANCE, sent)
        return Asked((type.decode(), HISTORY), HISTORY_TYPE, sent)
    if id:
        return None if query else Asked((type.decode(), id.decode()), READ, sent)
    return Asked((type.decode(),), SEARCH, sent) if ONE_TOKEN(query) else None


def _named(sent: dict[bytes, bytes]) -> dict[str, str]:
    """Where a request was sent to, and who sends it."""
    host, shown = sent.get(b"host"), sent.get(b"authorization")
    found = {"host": host.decode("latin-1")} if host else {}
    if shown is not None:
        found["authorization"] = shown.decode("latin-1")
    return found

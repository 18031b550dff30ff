"""The ASGI application of subsystems in one process; its errors are OperationOutcomes like those of FHIR."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import structlog

from fhir_server.codec import json
from fhir_server.codec.asgi import not_possible, object_of, query_of, whole_body
from fhir_server.core.errors import FhirError, error, operation_outcome
from fhir_server.core.ports import Clock
from fhir_server.subsystems.endpoint import Answer, Call, Endpoint
from fhir_server.subsystems.following import Follower
from fhir_server.subsystems.registry import OF_EVERY

WHO = b"x-hms-who"  # set by the server that forwards a request, of whom it has let pass
FHIR_JSON = "application/fhir+json"

log = structlog.get_logger("subsystem")


class Subsystems:
    """Calls the endpoint that a request asks for; tables: each subsystem's endpoints by its name."""

    def __init__(
        self, followers: Mapping[str, Follower], tables: Mapping[str, Sequence[Endpoint]], clock: Clock, limit: int
    ) -> None:
        self._followers = followers
        self._clock = clock
        self._limit = limit
        self._patterns = {
            name: [(each, _pattern(each.path)) for each in (*OF_EVERY, *table)] for name, table in tables.items()
        }

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI, scope type http."""
        headers: list[tuple[bytes, bytes]] = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
        try:
            answer = await self._answer(scope, receive)
        except FhirError as problem:
            headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
            answer = Answer(operation_outcome(problem.issues), FHIR_JSON, problem.status)
        except Exception:
            log.exception("request to a subsystem failed")
            problem = error("exception", "The subsystem failed to answer; the failure is in its log.")
            answer = Answer(operation_outcome(problem.issues), FHIR_JSON, 500)
        body = answer.content if isinstance(answer.content, bytes) else json.serialize(answer.content)
        headers += [(b"content-type", answer.type.encode()), (b"content-length", b"%d" % len(body))]
        if answer.filename:
            headers.append((b"content-disposition", f'attachment; filename="{answer.filename}"'.encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: dict[str, Any], receive: Any) -> Answer:
        name, _, rest = scope["path"].removeprefix("/").partition("/")
        if name not in self._followers:
            raise error("not-found", f"There is no subsystem at /{name[:60]}; /openapi.json lists what there is.")
        follower = self._followers[name]
        endpoint, inside = self._endpoint(name, scope["method"], f"/{rest}")
        body = await whole_body(receive, self._limit)
        fields = object_of(body) if endpoint.method in ("POST", "PUT") else {}
        query = query_of(scope)
        who = dict(scope["headers"]).get(WHO, b"").decode()
        call = Call(follower.client, self._clock(), unquote(who), inside, query, fields)
        return await endpoint.handler(follower if endpoint in OF_EVERY else follower.subsystem, call)

    def _endpoint(self, name: str, method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
        wanted = "GET" if method == "HEAD" else method
        allowed = []
        for endpoint, pattern in self._patterns[name]:
            found = pattern.fullmatch(path)
            if found and endpoint.method == wanted:
                return endpoint, found.groupdict()
            if found:
                allowed.append(endpoint.method)
        if allowed:
            raise not_possible(method, allowed)
        raise error("not-found", f"There is nothing at /{name}{path[:100]}; /openapi.json lists what there is.")


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]{1,200})", path) + "/?")

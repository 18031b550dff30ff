"""Requests of one search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import ApiError, AsyncElasticsearch

from fhir_server.storage.elastic.client import CONTENT_TYPE, CONTENT_TYPE_LINES
from fhir_server.storage.elastic.points import KEEP_ALIVE, Point

SECONDS = 15.0  # that one request may take
SHOWN = "hits.hits.fields,hits.hits.sort,hits.total.value,aggregations,pit_id"
SHOWN_OF_MANY = ",".join(f"responses.{name}" for name in (*SHOWN.split(","), "error", "status"))
WHOLE = "allow_partial_search_results=false"
WHOLE_OF_MANY = {"allow_partial_search_results": False}
EXPIRED = "search_context_missing_exception"

_encode = msgspec.json.Encoder().encode


def patient(client: AsyncElasticsearch) -> AsyncElasticsearch:
    """The client with the time that a search may take; made once, as making it takes a good part of a search."""
    return client.options(request_timeout=SECONDS)


class Asking:
    """Asks one index; with a point in time, every request of a search sees one state of it. client: patient()."""

    def __init__(self, client: AsyncElasticsearch, index: str, point: Point | None = None) -> None:
        self._client = client
        self._index = index
        self._point = point

    async def search(self, body: dict[str, Any]) -> dict[str, Any]:
        """One request. Where the point in time has run out a new one goes on: every order is by values that stay."""
        return (await self.several([body]))[0]

    async def several(self, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The answers to several searches, by one request."""
        if self._point is None:
            return await self._send(bodies)
        try:
            return await self._at(self._point, bodies)
        except ApiError as problem:
            if problem.status_code != 404 or EXPIRED not in str(problem.body):
                raise
            await self._point.renew(self._client, self._index)
            return await self._at(self._point, bodies)

    async def _at(self, point: Point, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        pit = {"id": point.id, "keep_alive": KEEP_ALIVE}
        answers = await self._send([{**body, "pit": pit} for body in bodies])
        point.id = answers[-1].get("pit_id", point.id)
        return answers

    async def _send(self, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """A search is answered wholly or not at all, whatever a cluster's default says of a shard that is missing."""
        at_point = "pit" in bodies[0]
        if len(bodies) == 1:
            path = f"{'' if at_point else f'/{self._index}'}/_search?{WHOLE}&filter_path={SHOWN}"
            return [await self._post(path, CONTENT_TYPE, _encode(bodies[0]))]
        head = _encode({**WHOLE_OF_MANY, **({} if at_point else {"index": self._index})}) + b"\n"
        lines = b"".join([head + _encode(body) + b"\n" for body in bodies])
        answer = await self._post(f"/_msearch?filter_path={SHOWN_OF_MANY}", CONTENT_TYPE_LINES, lines)
        for each in answer["responses"]:
            if "error" in each:
                raise refused(each)
        return answer["responses"]

    async def _post(self, path: str, content_type: str, body: bytes) -> dict[str, Any]:
        headers = {"accept": CONTENT_TYPE, "content-type": content_type}
        return (await self._client.perform_request("POST", path, headers=headers, body=body)).body


def refused(answer: dict[str, Any]) -> ApiError:
    """What one of several searches was refused by, as it would have been if it had been asked alone."""
    status = int(answer.get("status", 500))
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "elasticsearch", 9200))
    return ApiError(str(answer["error"].get("type", "error")), meta, answer)

"""The client of Elasticsearch, 8 or 9."""

from __future__ import annotations

import logging
import ssl
from typing import Any

import msgspec
from elastic_transport import JsonSerializer, NdjsonSerializer, SerializationError
from elasticsearch import AsyncElasticsearch

from fhir_server.core.errors import error

CONTENT_TYPE = "application/vnd.elasticsearch+json"
CONTENT_TYPE_LINES = "application/vnd.elasticsearch+x-ndjson"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class _Json(JsonSerializer):
    """By msgspec, which takes a tenth of the time."""

    mimetype = CONTENT_TYPE

    def dumps(self, data: Any) -> bytes:
        return data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else _encode(data)

    def loads(self, data: bytes) -> Any:
        return _loaded(data)


class _Lines(NdjsonSerializer):
    mimetype = CONTENT_TYPE_LINES

    def dumps(self, data: Any) -> bytes:
        if isinstance(data, bytes):
            return data
        return b"".join([(line if isinstance(line, bytes) else _encode(line)) + b"\n" for line in data])

    def loads(self, data: bytes) -> Any:
        return _loaded(data)


def _loaded(data: bytes) -> Any:
    try:
        return _decode(data)
    except msgspec.DecodeError as problem:
        raise SerializationError("What was answered is no JSON.", (problem,)) from problem


def connect(url: str, *, timeout: float = 30.0, connections: int = 32, authorities: str = "") -> AsyncElasticsearch:
    """A client for the nodes at these URLs, with commas between; user:password@ in a URL logs in.

    authorities: a PEM file of those that a node's certificate may be from, "" for those that the system trusts;
    FhirError "value" where it or a URL can't be used. What fails is tried once more, at another node.
    """
    for name in ("elastic_transport.transport", "elastic_transport.node_pool"):
        logging.getLogger(name).setLevel(logging.ERROR)  # they tell of each request; what fails is told by who asked
    options: dict[str, Any] = {}
    if authorities and "https:" in url:
        try:
            options["ssl_context"] = ssl.create_default_context(cafile=authorities)
        except OSError as problem:
            raise error("value", f"elasticsearch_ca can't be read: {problem.strerror or 'no PEM file'}.") from problem
    hosts = [part.strip() for part in url.split(",") if part.strip()]
    try:
        return AsyncElasticsearch(
            hosts,
            request_timeout=timeout,
            max_retries=1,
            retry_on_timeout=False,
            connections_per_node=connections,
            serializers={CONTENT_TYPE: _Json(), CONTENT_TYPE_LINES: _Lines(), "application/json": _Json()},
            **options,
        )
    except ValueError as problem:
        wanted = "each address needs scheme, host and port, such as https://user:password@es1:9200"
        raise error("value", f"elasticsearch_url can't be used; {wanted}.") from problem

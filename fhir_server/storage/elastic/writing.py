"""Documents on their way into one generation: in bulks of limited bytes, each with its version, so that late ones lose.

A document's version is the position of the change that made it. Elasticsearch refuses an older one (409), which is
what makes writing the same changes twice, or by two projectors, do nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
from elastic_transport import ConnectionError as Unreachable
from elastic_transport import ConnectionTimeout, TransportError
from elasticsearch import ApiError, AsyncElasticsearch

from fhir_server.core.pace import Pace
from fhir_server.core.ports import UnitConverter
from fhir_server.storage.changes.entries import Away, Busy, Entry, Refused
from fhir_server.storage.elastic.client import CONTENT_TYPE
from fhir_server.storage.elastic.digests import Parameters, digests
from fhir_server.storage.elastic.encode import Unit, encode, unit_document
from fhir_server.storage.elastic.generations import Generation

BULK_BYTES = 4 * 2**20  # of one request; a larger document goes alone
LARGEST = 90 * 2**20  # of a document: Elasticsearch takes requests of 100 MB (http.max_content_length)
PROBLEM_LENGTH = 500
LATE = 409
GONE = 404  # without an error: what is to be deleted is not there
REFUSING = (400, 413)  # what Elasticsearch says of a document itself; all else is about the index, a node or rights,
PASSING = ("cluster_block_exception", "index_closed_exception", "index_not_found_exception")  # as these are

Versioning = Literal["external", "external_gte"]
Line = tuple[Entry | None, bytes, set[Unit]]  # what it is of, None for a unit; its bytes in a bulk; units it brings

_encode = msgspec.json.Encoder().encode


class Writer:
    """Writes into one generation. content: whether _content is searched; converter: to the units of sort keys."""

    def __init__(
        self,
        client: AsyncElasticsearch,
        generation: Generation,
        parameters: Parameters,
        *,
        content: bool = True,
        converter: UnitConverter | None = None,
    ) -> None:
        self._client = client
        self._name = generation.name
        self._parameters = parameters
        self._content = content
        self._converter = converter
        self.consumer = generation.consumer
        self._units: set[Unit] = set()

    async def write(self, entries: Sequence[Entry], versioning: Versioning = "external") -> list[Refused]:
        """Indexes entries; a search sees them after the next refresh. Returns those that no trying again will help.

        Busy where some were not taken for now; writing all of them again is safe. versioning external_gte also
        replaces a document of the same change.
        """
        refused: list[Refused] = []
        async for batch in bulks(self._lines(entries, versioning, refused)):
            refused += await self._send(batch)
        return refused

    def _lines(self, entries: Sequence[Entry], versioning: Versioning, refused: list[Refused]) -> Iterator[Line]:
        for entry in entries:
            about = {"_id": f"{entry.type}/{entry.id}", "version": entry.change, "version_type": versioning}
            if entry.values is None:
                yield entry, _encode({"delete": about}) + b"\n", set()
                continue
            try:
                document, units = self.document(entry)
                line = _encode({"index": about}) + b"\n" + _encode(document) + b"\n"
                if len(line) > LARGEST:
                    raise ValueError(f"its document has {len(line):,} bytes, more than {LARGEST:,}")
            except Exception as problem:  # whatever is wrong with this one, the others go on
                refused.append(Refused(entry, f"{type(problem).__name__}: {problem}"))
                continue
            fresh = units - self._units
            for unit in fresh:
                name, told = unit_document(unit)
                yield None, _encode({"index": {"_id": name}}) + b"\n" + _encode(told) + b"\n", set()
            yield entry, line, fresh

    def document(self, entry: Entry) -> tuple[dict[str, Any], set[Unit]]:
        """The whole document of an entry, and the units of its quantities."""
        values, body = entry.values or (), entry.body if self._content else b""
        asked = self._parameters
        references = asked.references(entry.type)
        found, units = encode(values, asked.groups(entry.type), body, self._converter, references)
        found["digest"] = digests(entry.type, values, asked, body)
        found.update(
            type=entry.type, id=entry.id, seq=entry.seq, first=entry.first, version=entry.version, updated=entry.updated
        )
        if entry.problem:
            found["problem"] = entry.problem[:PROBLEM_LENGTH]
        return found, units

    async def _send(self, batch: list[Line]) -> list[Refused]:
        with answering():
            answer = await self._client.perform_request(
                "POST",
                f"/{self._name}/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,"
                "items.*.error.caused_by.reason",
                headers={"accept": CONTENT_TYPE, "content-type": "application/vnd.elasticsearch+x-ndjson"},
                body=b"".join([line for _, line, _ in batch]),
            )
        refused: list[Refused] = []
        if answer["errors"]:
            for (entry, _, _), item in zip(batch, answer["items"], strict=True):
                result = next(iter(item.values()))
                if is_done(result):
                    continue
                if entry is None or is_passing(result):
                    raise Busy(why(result))
                refused.append(Refused(entry, why(result)))
        for _, _, units in batch:
            self._units |= units
        return refused


@contextmanager
def answering() -> Iterator[None]:
    """Busy where Elasticsearch refuses everything for now, Away where it can't be reached."""
    try:
        yield
    except ConnectionTimeout as problem:  # slow is not away
        raise Busy(f"no answer in time: {problem}"[:300]) from problem
    except Unreachable as problem:
        raise Away("Elasticsearch can't be reached") from problem
    except (ApiError, TransportError) as problem:
        raise Busy(f"{type(problem).__name__}: {problem}"[:300]) from problem


async def bulks(lines: Iterator[Line]) -> AsyncIterator[list[Line]]:
    """Lines in lists of at most BULK_BYTES, or of one."""
    batch: list[Line] = []
    size, pace = 0, Pace()
    for each in lines:
        await pace()
        if batch and size + len(each[1]) > BULK_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += len(each[1])
    if batch:
        yield batch


def is_done(result: dict[str, Any]) -> bool:
    """Whether a document is there, a later one is, or what was to go has gone."""
    status = result["status"]
    return status < 300 or status == LATE or (status == GONE and "error" not in result)


def is_passing(result: dict[str, Any]) -> bool:
    """Whether a refused document may be taken later: too much to do, a shard or node that goes, a closed index…"""
    return result["status"] not in REFUSING or result.get("error", {}).get("type") in PASSING


def why(result: dict[str, Any]) -> str:
    """What Elasticsearch said, without what the document held."""
    told = result.get("error", {})
    cause = told.get("caused_by", {}).get("reason", "")
    return f"{told.get('type', result['status'])}: {told.get('reason', '')[:300]} {cause[:300]}".strip()

"""What native documents cost against kept bytes, in processor time of this process: python -m tests.bench.documents

Over every resource of the sample patients: BSON made of canonical JSON bytes as a write does, JSON bytes made of BSON
as a read does, and the same for documents that keep the bytes as they are. No database takes part.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import bson
from bson.binary import Binary

from fhir_server import definitions as r4
from fhir_server.codec.canonical import draft
from fhir_server.codec.json import decode
from fhir_server.loading.sources import documents
from fhir_server.samples import ARCHIVE
from fhir_server.search.extract import Extractor
from fhir_server.search.fields import Fields
from fhir_server.search.identifying import Identifying
from fhir_server.storage.mongo.content import split
from fhir_server.storage.mongo.documents import OPTIONS, body_of
from fhir_server.storage.mongo.keys import keys_of

ROUNDS = 3


def bodies() -> list[bytes]:
    """Canonical bytes of the sample resources."""
    found = []
    for document in documents([ARCHIVE]):
        for entry in decode(document.stream.read())["entry"]:
            found.append(draft(entry["resource"]).body("x", 1, 0))
    return found


def microseconds(work: Callable[[Any], Any], items: list[Any]) -> float:
    """Processor time of work for one item, the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for item in items:
            work(item)
        best = min(best, time.process_time() - began)
    return round(best / len(items) * 1e6, 1)


def size(items: Iterable[bytes]) -> int:
    """Bytes in all."""
    return sum(map(len, items))


def main() -> None:
    """Prints one JSON object."""
    definitions = r4.load()
    extract, identifies = Extractor(definitions, Fields(definitions)).extract, Identifying(definitions)
    stored = bodies()
    with_values = [(body, decode(body)["resourceType"], extract(decode(body))) for body in stored]

    def native(body: bytes) -> bytes:
        return bson.encode({"_id": "x", **split(body).fields}, codec_options=OPTIONS)

    def kept(body: bytes) -> bytes:
        return bson.encode({"_id": "x", "body": Binary(body)})

    natives, kepts = [native(body) for body in stored], [kept(body) for body in stored]
    assert all(body_of(bson.decode(one)) == body for one, body in zip(natives, stored, strict=True))
    print(
        json.dumps(
            {
                "resources": len(stored),
                "mean JSON bytes": size(stored) // len(stored),
                "mean native BSON bytes": size(natives) // len(stored),
                "write µs": {"native": microseconds(native, stored), "kept": microseconds(kept, stored)},
                "read µs": {
                    "native": microseconds(lambda one: body_of(bson.decode(one)), natives),
                    "kept": microseconds(lambda one: bytes(bson.decode(one)["body"]), kepts),
                },
                "keys µs": microseconds(lambda one: keys_of(one[1], one[0], one[2], identifies), with_values),
                "mean keys": sum(len(keys_of(t, b, v, identifies)) for b, t, v in with_values) / len(stored),
            },
            ensure_ascii=False,
            indent=1,
        )
    )


if __name__ == "__main__":
    main()

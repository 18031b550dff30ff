"""What a document of the search index costs a worker, part by part: python -m tests.bench.index_documents

Over the sample resources; neither a store nor Elasticsearch takes part.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from fhir_server import definitions as r4
from fhir_server.codec.json import decode
from fhir_server.core.settings import Settings
from fhir_server.interactions.searching import Searching
from fhir_server.search.extract import Extractor
from fhir_server.search.fields import Fields
from fhir_server.storage.elastic.digests import Parameters, digests
from fhir_server.storage.elastic.encode import encode
from tests.bench.documents import bodies as stored

T = TypeVar("T")


def main() -> None:
    """Prints microseconds of processor time a resource."""
    definitions = r4.load()
    extract = Extractor(definitions, Fields(definitions)).extract
    bodies = stored()[:4000]
    resources = [decode(body) for body in bodies]

    def part(name: str, work: Callable[[], T]) -> T:
        began = time.process_time()
        found = work()
        print(f"{name:40} {(time.process_time() - began) / len(bodies) * 1e6:6.0f} µs")
        return found

    for resource in resources:
        extract(resource)
    part("parse the stored bytes", lambda: [decode(body) for body in bodies])
    values = part("extract search values", lambda: [extract(resource) for resource in resources])
    pairs = list(zip(resources, values, bodies, strict=True))
    made = part("make the document", lambda: [encode(v, ()) for _, v, _ in pairs])
    part("the same with _content", lambda: [encode(v, (), b) for _, v, b in pairs])
    parameters = Parameters(lambda _: (), Searching(definitions, Settings(), lambda: 0, None).indexes)
    part("its digests", lambda: [digests(r["resourceType"], v, parameters, b) for r, v, b in pairs])
    part("its bytes", lambda: [msgspec.json.encode(each.document) for each in made])


if __name__ == "__main__":
    main()

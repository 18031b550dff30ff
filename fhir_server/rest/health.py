"""Health for a load balancer or an orchestrator: is the process alive, and can it answer."""

from __future__ import annotations

from fhir_server.api import FhirServer
from fhir_server.codec.json import serialize
from fhir_server.core.errors import FhirError
from fhir_server.rest.encode import Answer

JSON = (b"content-type", b"application/health+json")


async def live(server: FhirServer) -> Answer:
    """200 as long as the event loop turns."""
    return Answer(200, [JSON], b'{"status":"pass"}')


async def ready(server: FhirServer) -> Answer:
    """200 with the feed's position where the store can be read, 503 where it can't."""
    try:
        head = await server.environment.feed.head()
    except FhirError as problem:
        return Answer(503, [JSON, (b"retry-after", b"5")], serialize({"status": "fail", "output": str(problem)}))
    building = [progress.url for progress in server.indexing()]
    return Answer(200, [JSON], serialize({"status": "pass", "changes": head, "indexing": building}))

"""The engines that tests run on: the embedded one, and the distributed one where its services are named.

HMS_TEST_MONGODB_URL and HMS_TEST_ELASTICSEARCH_URL name them; `make test-distributed` starts some where they don't.
Every test has a database of its own, which goes with it.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fhir_server.core.settings import Settings

EMBEDDED, DISTRIBUTED = "embedded", "distributed"
ENGINES = (EMBEDDED, DISTRIBUTED)
MONGODB = "HMS_TEST_MONGODB_URL"
ELASTICSEARCH = "HMS_TEST_ELASTICSEARCH_URL"
WAIT = 60  # seconds for the index to follow, on a machine that is busy
KEEP = "HMS_TEST_KEEP"  # what tests leave in MongoDB need not be removed, as it goes with it


def chosen(option: str | None) -> list[str]:
    """The engines of a --engines option."""
    engines = [name.strip() for name in (option or EMBEDDED).split(",")]
    for name in engines:
        if name not in ENGINES:
            raise pytest.UsageError(f"--engines can't have {name!r}; it may have {' and '.join(ENGINES)}.")
        if name == DISTRIBUTED and not os.environ.get(MONGODB):
            raise pytest.UsageError(f"The distributed engine needs {MONGODB}; `make test-distributed` sets it.")
    return engines


@contextmanager
def settings_on(engine: str, data: Path) -> Iterator[Settings]:
    """Settings of a server on an empty store of an engine."""
    if engine == EMBEDDED:
        yield Settings(data=data, synchronous="OFF")
        return
    settings = Settings(
        data=data,
        mongodb_url=os.environ[MONGODB],
        mongodb_database=f"test-{uuid.uuid4().hex[:16]}",
        elasticsearch_url=os.environ.get(ELASTICSEARCH, ""),
        search_wait_seconds=WAIT,
    )
    try:
        yield settings
    finally:
        drop(settings)


def named(settings: Settings, folder: Path) -> list[str]:
    """The options by which a command uses the services of these settings; [] on the embedded engine."""
    if not settings.mongodb_url:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "distributed.toml"
    names = ("mongodb_url", "mongodb_database", "elasticsearch_url", "search_wait_seconds")
    file.write_text("".join(f"{name} = {json.dumps(getattr(settings, name))}\n" for name in names))
    return ["--config", str(file)]


def drop(settings: Settings) -> None:
    """Removes the indices of a test, as a node holds a thousand at most, and its database."""
    if not os.environ.get(KEEP):
        from pymongo import MongoClient

        with MongoClient(settings.mongodb_url) as client:
            client.drop_database(settings.mongodb_database)
    if settings.elasticsearch_url:
        import httpx

        with httpx.Client(base_url=settings.elasticsearch_url, timeout=30) as http:
            found = http.get(f"/{settings.mongodb_database}*", params={"expand_wildcards": "all"})
            for index in found.json() if found.is_success else ():
                http.delete(f"/{index}")

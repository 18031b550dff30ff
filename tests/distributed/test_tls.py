"""Both services behind TLS, with certificates of an authority that the settings name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from fhir_server import bootstrap
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.storage.mongo.database import connect
from tests.authority import Authority
from tests.backends.proxy import Proxy
from tests.conftest import BASE
from tests.engines import ELASTICSEARCH, MONGODB, drop

pytestmark = pytest.mark.anyio


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def secured(authority: Authority) -> Iterator[tuple[str, str]]:
    """URLs of MongoDB and Elasticsearch by TLS."""
    certificate = authority.certificate("service")
    services = (urlsplit(os.environ[name]).port for name in (MONGODB, ELASTICSEARCH))
    mongodb, elasticsearch = (Proxy(port or 0, certificate) for port in services)
    with mongodb, elasticsearch:
        # a replica set names its members by their own ports, where there is no TLS here
        yield f"mongodb://127.0.0.1:{mongodb.port}/?directConnection=true", f"https://127.0.0.1:{elasticsearch.port}"


async def test_a_server_works_on_both_by_tls(secured: tuple[str, str], authority: Authority, tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path / "data",
        mongodb_url=f"{secured[0]}&tls=true&tlsCAFile={authority.path}",
        mongodb_database=f"test-tls-{os.getpid()}",
        elasticsearch_url=secured[1],
        elasticsearch_ca=str(authority.path),
        search_wait_seconds=60,
    )
    application: Any = bootstrap.application(settings)
    async with application.running(), httpx.AsyncClient(transport=httpx.ASGITransport(app=application)) as http:
        stored = await http.put(f"{BASE}/Patient/a", json={"resourceType": "Patient", "id": "a"})
        assert stored.status_code == 201, stored.text
        found = await http.get(f"{BASE}/Patient?_id=a")
        assert found.json()["total"] == 1, found.text
    drop(
        msgspec.structs.replace(settings, mongodb_url=os.environ[MONGODB], elasticsearch_url=os.environ[ELASTICSEARCH])
    )


async def test_a_certificate_of_a_strange_authority_is_refused(secured: tuple[str, str], tmp_path: Path) -> None:
    strange = Authority(tmp_path, "strange")
    url = f"{secured[0]}&tls=true&tlsCAFile={strange.path}&serverSelectionTimeoutMS=1500"
    with pytest.raises(FhirError, match="No MongoDB answers") as problem:
        await connect(url, "t")
    assert problem.value.category == "unavailable"


async def test_what_speaks_no_tls_is_not_spoken_to_without(authority: Authority) -> None:
    port = urlsplit(os.environ[MONGODB]).port
    url = f"mongodb://127.0.0.1:{port}/?directConnection=true&tls=true&tlsCAFile={authority.path}"
    with pytest.raises(FhirError, match="No MongoDB answers"):
        await connect(f"{url}&serverSelectionTimeoutMS=1500", "t")

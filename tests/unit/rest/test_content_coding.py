import httpx
import pytest

from fhir_server.rest.content_coding import accepts_gzip
from tests.conftest import BASE, Fhir

pytestmark = pytest.mark.anyio
FAR = ("192.0.2.7", 40_000)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("*", True),
        ("*;q=0, gzip", True),
        ("*, gzip;q=0", False),
        ("br", False),
    ],
)
def test_accept_encoding_is_read_with_its_quality(accepted: str, expected: bool):
    assert accepts_gzip(accepted) is expected


async def test_a_large_answer_is_packed_for_another_machine_that_takes_it(fhir: Fhir):
    app = fhir.http._transport.app  # type: ignore[attr-defined]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, client=FAR), base_url=BASE) as far:
        packed = await far.get(f"{BASE}/metadata", headers={"accept-encoding": "gzip"})
        plain = await far.get(f"{BASE}/metadata", headers={"accept-encoding": "gzip;q=0"})
        small = await far.get(f"{BASE}/metadata?_elements=fhirVersion", headers={"accept-encoding": "gzip"})
        assert small.json()["fhirVersion"] == "4.0.1" and "rest" not in small.json()
    near = await fhir.get("metadata", accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip" and "accept-encoding" in packed.headers["vary"]
    assert int(packed.headers["content-length"]) < len(packed.content) / 5
    assert "content-encoding" not in plain.headers and "accept-encoding" in plain.headers["vary"]
    assert packed.content == plain.content == near.content
    assert "content-encoding" not in small.headers and "content-encoding" not in near.headers

import httpx
import pytest

from fhir_server.rest import content_coding
from fhir_server.rest.content_coding import accepts_gzip, coded
from fhir_server.rest.encode import Answer
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
        again = await far.get(f"{BASE}/metadata", headers={"accept-encoding": "gzip"})
        small = await far.get(f"{BASE}/metadata?_elements=fhirVersion", headers={"accept-encoding": "gzip"})
        assert small.json()["fhirVersion"] == "4.0.1" and "rest" not in small.json()
    near = await fhir.get("metadata", accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip" and "accept-encoding" in packed.headers["vary"]
    assert int(packed.headers["content-length"]) < len(packed.content) / 5
    assert "content-encoding" not in plain.headers and "accept-encoding" in plain.headers["vary"]
    assert packed.content == plain.content == near.content == again.content
    assert again.headers == packed.headers
    assert "content-encoding" not in small.headers and "content-encoding" not in near.headers


async def test_a_body_that_is_sent_again_and_again_is_packed_once(monkeypatch: pytest.MonkeyPatch):
    packed_now: list[int] = []
    gzip = content_coding._gzip
    monkeypatch.setattr(content_coding, "_gzip", lambda body, level: packed_now.append(level) or gzip(body, level))

    async def packed(body: bytes, kept: bool) -> bytes:
        answer = Answer(200, [], body)
        answer.kept = kept
        return (await coded(answer, "gzip")).body

    for kept, times in ((True, 1), (False, 3)):
        packed_now.clear()
        bodies = {await packed(b"a body, kept or not " * 5000, kept) for _ in range(3)}
        assert len(bodies) == 1 and len(packed_now) == times
    for number in range(2 * content_coding.MOST_KEPT):
        await packed(b"%d" % number * 30_000, True)
    assert len(content_coding._packed) <= content_coding.MOST_KEPT

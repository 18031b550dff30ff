import pytest
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

pytestmark = pytest.mark.anyio


async def test_an_id_comes_back(fhir):
    assert (await fhir.get("metadata", x_request_id="abc-1")).headers["x-request-id"] == "abc-1"
    assert (await fhir.get("Patient/none", x_request_id="abc-1")).headers["x-request-id"] == "abc-1"


async def test_without_one_there_is_none(fhir):
    assert "x-request-id" not in (await fhir.get("metadata")).headers


@pytest.mark.parametrize("id", ["x" * 101, "a b", "<script>", "Åsa"])
async def test_one_that_is_unfit_for_a_log_is_replaced(fhir, id):
    answer = await fhir.http.get("http://fhir.test/fhir/metadata", headers={b"x-request-id": id.encode("utf-8")})
    assert answer.headers["x-request-id"] not in ("", id)


async def test_a_failure_has_one_that_its_log_lines_have_too(fhir, monkeypatch):
    seen = []

    async def failing(request):
        raise RuntimeError

    monkeypatch.setattr(fhir.server, "perform", failing)
    with capture_logs(processors=[lambda _, __, event: seen.append(get_contextvars()) or event]) as lines:
        answer = await fhir.get("Patient?name=x")
    assert answer.status_code == 500 and lines
    assert seen[0]["request"] == answer.headers["x-request-id"]

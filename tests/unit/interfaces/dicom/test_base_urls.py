"""Both web applications check tokens against the FHIR base URL that the caller sees, behind a proxy too."""

import asyncio
from types import SimpleNamespace

import pytest

from fhir_server.core.errors import error
from fhir_server.core.settings import Settings
from interfaces.dicom.web.administration import Administration
from interfaces.dicom.web.application import DicomWeb

HEADERS = [(b"host", b"inside:8080"), (b"x-forwarded-host", b"hospital.example"), (b"x-forwarded-proto", b"https")]


class Asked:
    """Refuses everybody, and keeps what base a token was to be for."""

    base = ""

    async def caller(self, method, headers, base):
        self.base = base
        raise error("login", "Who are you?")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(trust_proxy=True), "https://hospital.example/fhir"),
        (Settings(), "http://inside:8080/fhir"),
        (
            Settings(base_url="https://fhir.example/r4", dicom_web_url="https://pacs.example/web"),
            "https://fhir.example/r4",
        ),
    ],
    ids=["behind a proxy", "direct", "set"],
)
@pytest.mark.parametrize("path", ["/dicom/api/peers", "/dicom-web/studies"])
def test_a_token_is_for_the_base_that_the_caller_sees(settings, expected, path):
    asked = Asked()
    application = (
        Administration(SimpleNamespace(settings=settings, archive=None), None, asked)
        if path.startswith("/dicom/")
        else DicomWeb(None, settings, asked)
    )
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": HEADERS, "scheme": "http"}
    asyncio.run(application(scope, None, send))
    assert (asked.base, sent[0]["status"]) == (expected, 401)

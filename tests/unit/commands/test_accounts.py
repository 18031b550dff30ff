"""hms client add, hms launch: what a client may be, and what it is launched with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import ECKey
from typer.testing import CliRunner

from fhir_server.commands.access import launch
from fhir_server.commands.accounts import with_security
from fhir_server.commands.clients import client
from fhir_server.core.errors import FhirError
from fhir_server.security.model import Client


def run(tmp_path: Path, *arguments: str) -> None:
    result = CliRunner().invoke(client, ["add", *arguments, "--data", str(tmp_path)])
    if result.exception is not None:
        raise result.exception


def added(tmp_path: Path, *options: str) -> Client:
    run(tmp_path, "imaging", *options)

    async def work(found, _) -> Client:
        return await found.store.client("imaging")

    return with_security(tmp_path, None, work)


def test_a_resource_server_proves_itself_and_needs_no_more(tmp_path: Path):
    made = added(tmp_path, "--resource-server", "--confidential")
    assert made.resource_server and made.secret and not (made.grants or made.scopes or made.redirect_uris)


def test_a_resource_server_may_be_a_backend_service_too(tmp_path: Path):
    made = added(tmp_path, "--resource-server", "--backend", "--confidential")
    assert made.resource_server and made.grants == ("client_credentials",) and made.scopes == "system/*.rs"


def test_a_resource_server_that_can_not_prove_itself_is_refused(tmp_path: Path):
    with pytest.raises(FhirError, match="proves itself"):
        added(tmp_path, "--resource-server")


def test_an_application_is_no_resource_server(tmp_path: Path):
    assert not added(tmp_path, "--redirect-uri", "https://app.test/callback").resource_server


@pytest.mark.parametrize(
    "uri",
    [
        "app", "127.0.0.1:3000/", "localhost:3000/", "http:/app.test", "https://app.test/#/done", "https://app.test/#",
        "http://[app.test/", "https://user:password@app.test/", "javascript://app.test/%0aalert(1)", "org.app:/ x",
    ],
)  # fmt: skip
def test_a_redirect_uri_that_nothing_can_be_sent_to_is_refused(tmp_path: Path, uri: str):
    with pytest.raises(FhirError, match="write it such as https"):
        added(tmp_path, "--redirect-uri", uri)


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:3000/", "http://app.ward.test/", "com.example.app:/done", "app://done"]
)
def test_a_redirect_uri_may_be_of_an_app_on_a_phone_or_of_a_house_without_tls(tmp_path: Path, uri: str):
    assert added(tmp_path, "--redirect-uri", uri).redirect_uris == (uri,)


@pytest.mark.parametrize("scope", ["usr/*.rs", "patient/Observatoin.rs", "system/*.rs openId"])
def test_a_scope_that_nothing_understands_is_refused(tmp_path: Path, scope: str):
    with pytest.raises(FhirError, match="There is no scope"):
        added(tmp_path, "--backend", "--confidential", "--scope", scope)


@pytest.mark.parametrize("text", ["{", "[]", '{"kty": "EC"}'])
def test_a_file_that_is_no_set_of_keys_is_refused(tmp_path: Path, text: str):
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(FhirError, match="is no J"):
        added(tmp_path, "--backend", "--jwks", str(tmp_path / "keys.json"))


@pytest.mark.parametrize("id", ["", " ", "a b", "é", "x" * 201])
def test_an_id_that_no_request_could_name_is_refused(tmp_path: Path, id: str):
    with pytest.raises(FhirError, match="client_id"):
        run(tmp_path, id, "--redirect-uri", "https://app.test/")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({"kty": "EC", "crv": "P-384", "x": "AA", "y": "BB"}, "no key that"), ("x", "no key that"),
        (dict(ECKey.generate_key("P-256").as_dict(private=False)), "no key that"),
        (dict(ECKey.generate_key("P-384").as_dict(private=True)), "private"), ({"kty": "oct", "k": "AA"}, "private"),
    ],
)  # fmt: skip
def test_keys_that_can_not_be_used_are_refused(tmp_path: Path, key: Any, said: str):
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [key]}))
    with pytest.raises(FhirError, match=said):
        added(tmp_path, "--backend", "--jwks", str(keys))
    keys.write_text(json.dumps({"keys": ["x", ECKey.generate_key("P-384").as_dict(private=False)]}))
    assert added(tmp_path, "--backend", "--jwks", str(keys)).jwks


def test_a_backend_service_has_scopes_of_the_system(tmp_path: Path):
    with pytest.raises(FhirError, match="such as system"):
        added(tmp_path, "--backend", "--confidential", "--scope", "user/*.rs")


LAUNCHED = ("--redirect-uri", "https://app.test/callback", "--launch-uri", "https://app.test/launch")


def test_a_launch_brings_all_that_is_at_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    added(tmp_path, *LAUNCHED)
    capsys.readouterr()
    at_hand = ["DiagnosticReport/1", "Observation/2"]
    launch("imaging", patient="me", fhir_context=at_hand, style_url="https://ehr.test/s", banner=False, data=tmp_path)
    given = parse_qs(urlsplit(capsys.readouterr().out.strip()).query)["launch"][0]

    async def work(found, _) -> dict[str, Any] | None:
        return await found.store.launch(given)

    assert with_security(tmp_path, None, work) == {
        "client": "imaging", "patient": "me", "need_patient_banner": False, "smart_style_url": "https://ehr.test/s",
        "fhirContext": [{"reference": "DiagnosticReport/1"}, {"reference": "Observation/2"}],
    }  # fmt: skip


@pytest.mark.parametrize(("reference", "said"), [
    ("Patient/1", "--patient"), ("Encounter/1", "--encounter"), ("Report/1", "DiagnosticReport/1"), ("x", "is none"),
])  # fmt: skip
def test_what_can_not_be_at_hand_is_told(tmp_path: Path, reference: str, said: str):
    added(tmp_path, *LAUNCHED)
    with pytest.raises(FhirError, match=said):
        launch("imaging", fhir_context=[reference], data=tmp_path)

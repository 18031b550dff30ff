"""Tokens that a process shows to a server elsewhere: from a file, or asked for with a key."""

import asyncio
import os
import pickle
from pathlib import Path

import pytest

from fhir_server.api import Request
from fhir_server.client import HttpClient
from fhir_server.commands import clients
from fhir_server.commands.tokens import ClientKey, TokenFile, shown
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from tests.conftest import BASE


def test_a_token_is_read_again_once_its_file_changes(tmp_path):
    path = tmp_path / "token"
    path.write_text("one\n")
    token = TokenFile(path)
    assert token.read() == "one"
    path.write_text("two\n")
    os.utime(path, ns=(1, 1))
    assert token.read() == "two"


@pytest.mark.parametrize("content", ["", None])
def test_a_file_without_a_token_is_told(tmp_path, content):
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    with pytest.raises(FhirError, match="token file"):
        TokenFile(path).read()


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", synchronous="OFF", security="smart")


@pytest.fixture
def backend(fhir, tmp_path):
    """A function that makes a client with a key, and what it shows."""

    async def made(id="listener", scope="system/*.cruds"):
        key, data = tmp_path / f"{id}.jwk", tmp_path / "data"
        await asyncio.to_thread(clients.add_client, id, scope=scope, new_key=key, backend=True, data=data)
        assert key.stat().st_mode & 0o777 == 0o600
        return ClientKey(BASE, id, key, fhir.http._transport, lambda: fhir.server.environment.clock() / 1e6)

    return made


def over_http(fhir, shown):
    return HttpClient(BASE, transport=fhir.http._transport, token=shown)


PATIENT = Request("POST", ("Patient",), resource={"resourceType": "Patient"})


@pytest.mark.anyio
async def test_a_client_gets_in_by_its_key_and_keeps_its_token(fhir, backend):
    shown = await backend()
    client = over_http(fhir, shown)
    assert (await client.perform(PATIENT)).status == 201
    token = await shown.token()
    assert (await client.perform(PATIENT)).status == 201 and await shown.token() == token


@pytest.mark.anyio
async def test_a_revoked_token_is_followed_by_another(fhir, backend):
    shown = await backend()
    client = over_http(fhir, shown)
    token = await shown.token()
    security = fhir.server.security
    await security.store.revoke_family((await security.access(token, BASE)).family)
    assert (await client.perform(PATIENT)).status == 201 and await shown.token() != token


@pytest.mark.anyio
async def test_a_client_that_is_removed_is_told_and_may_come_back(fhir, backend, tmp_path):
    shown = await backend()
    await asyncio.to_thread(clients.remove_client, "listener", data=tmp_path / "data")
    with pytest.raises(FhirError, match="no token") as refused:
        await over_http(fhir, shown).perform(PATIENT)
    assert refused.value.category == "unavailable"


@pytest.mark.anyio
async def test_scopes_are_the_clients_own(fhir, backend):
    with pytest.raises(FhirError) as refused:
        await over_http(fhir, await backend(scope="system/*.rs")).perform(PATIENT)
    assert refused.value.category == "forbidden"


@pytest.mark.anyio
async def test_a_token_that_is_refused_is_no_answer_about_the_request(fhir, tmp_path):
    path = tmp_path / "token"
    path.write_text("nonsense")
    with pytest.raises(FhirError, match="refuses the token") as refused:
        await over_http(fhir, TokenFile(path)).perform(PATIENT)
    assert refused.value.category == "unavailable"


def test_what_the_processes_of_a_listener_are_given_can_be_copied(tmp_path):
    clients.add_client("listener", new_key=tmp_path / "key", backend=True, data=tmp_path / "data")
    given = ClientKey(BASE, "listener", tmp_path / "key")
    assert pickle.loads(pickle.dumps(given))._id == "listener"


@pytest.mark.parametrize(
    "content", ["", "{}", '{"kty": "EC", "crv": "P-384", "x": "a", "y": "b"}', '{"d": "x"}', "[1]"]
)
def test_a_file_without_a_private_key_is_told(tmp_path, content):
    path = tmp_path / "key.jwk"
    path.write_text(content)
    with pytest.raises(FhirError, match="key file"):
        ClientKey(BASE, "listener", path)


@pytest.mark.parametrize(
    "given",
    [("http://h/fhir", None, "id", None), ("http://h/fhir", Path("t"), "id", Path("k")), ("", Path("t"), "", None)],
)
def test_options_that_do_not_fit_together_are_told(given):
    with pytest.raises(FhirError, match="--"):
        shown(*given)

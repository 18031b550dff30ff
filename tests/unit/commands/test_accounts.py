"""hms client add: what a client may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fhir_server.commands.accounts import client, with_security
from fhir_server.core.errors import FhirError
from fhir_server.security.model import Client


def added(tmp_path: Path, *options: str) -> Client:
    result = CliRunner().invoke(client, ["add", "imaging", *options, "--data", str(tmp_path)])
    if result.exception is not None:
        raise result.exception

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

"""`hms serve` with certificates of a made authority: who gets in, by what, and what a browser is told."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.authority import Authority
from tests.system.process import Server, hms, serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def trusting(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.path))
    context.load_cert_chain(*authority.certificate("client"))
    return context


@pytest.fixture(scope="module")
def server(folder: Path, authority: Authority, trusting: ssl.SSLContext) -> Iterator[Server]:
    certificate, key = authority.certificate("server")
    options = ("--tls-certificate", certificate, "--tls-key", key, "--tls-clients", authority.path)
    with serving(folder / "data", "--security", "smart", "--workers", 1, *options, verify=trusting) as started:
        yield started


def test_whoever_has_a_certificate_gets_in_and_is_told_to_stay_with_https(
    server: Server, trusting: ssl.SSLContext
) -> None:
    answer = httpx.get(f"{server.base}/metadata", verify=trusting)
    assert answer.json()["implementation"]["url"] == server.base and server.base.startswith("https://")
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    found = httpx.get(f"{server.base}/.well-known/smart-configuration", verify=trusting).json()
    assert found["token_endpoint"].startswith("https://")
    cookie = httpx.get(f"{server.origin}/auth/sign-in", verify=trusting).headers["set-cookie"]
    assert cookie.endswith("; Secure")


def test_nobody_else_gets_in(server: Server, folder: Path, authority: Authority) -> None:
    stranger = ssl.create_default_context(cafile=str(authority.path))
    other = Authority(folder, "other")
    forged = ssl.create_default_context(cafile=str(authority.path))
    forged.load_cert_chain(*other.certificate("forged"))
    for context in (stranger, forged):
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{server.base}/metadata", verify=context)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.base.replace('https', 'http')}/metadata")


@pytest.mark.parametrize(
    ("version", "ciphers"), [("TLSv1_1", "ALL:@SECLEVEL=0"), ("TLSv1_2", "AES256-SHA256"), ("TLSv1_2", "ECDHE+SHA384")]
)
def test_old_versions_and_weak_ciphers_are_refused(server: Server, version: str, ciphers: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    context.set_ciphers(ciphers)
    url = httpx.URL(server.base)
    with socket.create_connection((url.host, url.port)) as plain, pytest.raises(OSError):
        context.wrap_socket(plain)


def shown(server: Server, trusting: ssl.SSLContext) -> bytes | None:
    """The certificate that a new connection is shown."""
    url = httpx.URL(server.base)
    with (
        socket.create_connection((url.host, url.port)) as plain,
        trusting.wrap_socket(plain, server_hostname=url.host) as connection,
    ):
        return connection.getpeercert(binary_form=True)


def test_a_renewed_certificate_counts_from_the_next_connection_on(
    server: Server, authority: Authority, folder: Path, trusting: ssl.SSLContext
) -> None:
    before = shown(server, trusting)
    with httpx.Client(verify=trusting) as under_way:
        assert under_way.get(f"{server.base}/metadata").status_code == 200
        certificate, _ = authority.certificate("server")
        after = shown(server, trusting)
        assert after != before and shown(server, trusting) == after
        certificate.write_text("half a file")
        assert shown(server, trusting) == after
        authority.certificate("server")
        assert shown(server, trusting) not in (before, after)
        assert under_way.get(f"{server.base}/metadata").status_code == 200
    assert "not in force" in server.said()


@pytest.mark.parametrize("given", [("--tls-certificate", "none.pem"), ("--tls-key", "key.pem")])
def test_files_that_can_not_be_used_are_told_at_the_start(tmp_path: Path, given: tuple[str, str]) -> None:
    said = hms("serve", "--port", 0, "--data", tmp_path, *given, code=1)
    assert "tls_certificate" in said and "Traceback" not in said

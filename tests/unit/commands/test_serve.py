import socket
from pathlib import Path
from typing import Any

import pytest

from fhir_server.commands.dicom import bind
from fhir_server.commands.serve import banner, require_safe
from fhir_server.commands.sockets import listen
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings


@pytest.mark.parametrize("security", ["open", "smart"])
def test_the_banner_shouts_where_a_server_is_open(security):
    assert ("OPEN" in banner(Settings(security=security), samples=False)) is (security == "open")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "::"])
def test_an_open_server_listens_to_this_machine_only(host):
    with pytest.raises(FhirError, match="--security smart"):
        require_safe(Settings(host=host))
    require_safe(Settings(host=host, security="smart"))
    require_safe(Settings(host="localhost"))


def test_the_banner_gives_the_base_url_and_how_to_load_samples():
    text = banner(Settings(port=81), samples=False)
    assert "http://127.0.0.1:81/fhir" in text and "load --samples" in text


def test_the_banner_of_a_secured_server_loads_samples_without_a_login():
    text = banner(Settings(port=81, security="smart", data=Path("here")), samples=False)
    assert "load --samples --data here" in text and "--server" not in text


def test_the_banner_gives_the_base_url_that_is_set():
    assert "https://fhir.example.org/fhir" in banner(Settings(base_url="https://fhir.example.org/fhir"), samples=True)


def test_a_port_in_use_is_refused_with_its_number():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FhirError, match=f"port {port} can't be listened on.*Try another --port"):
            listen("127.0.0.1", port)
        with pytest.raises(FhirError, match="Try another --dicom-port"):
            bind(Settings(dicom_port=port))


def test_a_host_that_is_none_is_refused():
    with pytest.raises(FhirError, match=r"no\.such\.host\.invalid"):
        listen("no.such.host.invalid", 0)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "base_url": "https://fhir.example.org/fhir"}, False),
        ({"host": "0.0.0.0", "trust_proxy": True}, False),
        ({}, False),
    ],
)
def test_a_secured_server_that_does_not_know_its_name_says_so(more: dict[str, Any], told: bool) -> None:
    assert ("set base_url" in banner(Settings(security="smart", **more), samples=True)) is told

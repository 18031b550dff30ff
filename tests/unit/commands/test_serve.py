import socket

import pytest

from fhir_server.commands.serve import banner
from fhir_server.commands.sockets import listen
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings


@pytest.mark.parametrize(
    ("host", "only_here"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False)]
)
def test_the_banner_says_who_can_reach_a_server_without_login(host, only_here):
    text = banner(Settings(host=host), samples=False)
    assert ("Only this machine" in text) is only_here
    assert ("other machines can reach it" in text) is not only_here


def test_the_banner_gives_the_base_url_and_how_to_load_samples():
    text = banner(Settings(port=81), samples=False)
    assert "http://127.0.0.1:81/fhir" in text and "load --samples" in text


def test_the_banner_gives_the_base_url_that_is_set():
    assert "https://fhir.example.org/fhir" in banner(Settings(base_url="https://fhir.example.org/fhir"), samples=True)


def test_a_port_in_use_is_refused_with_its_number():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FhirError, match=f"port {port} can't be listened on.*Try another --port"):
            listen("127.0.0.1", port)


def test_a_host_that_is_none_is_refused():
    with pytest.raises(FhirError, match=r"no\.such\.host\.invalid"):
        listen("no.such.host.invalid", 0)

import socket

import pytest

from fhir_server.commands.dicom import banner
from fhir_server.core.settings import Settings


@pytest.mark.parametrize(
    ("security", "known", "told"),
    [("open", False, False), ("smart", False, True), ("smart", True, False)],
)
def test_who_may_call_the_port_of_a_secured_server_is_told(security: str, known: bool, told: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        line = banner(Settings(security=security, dicom_known_peers_only=known), listening)
        assert str(listening.getsockname()[1]) in line
        assert ("without a token" in line) is told

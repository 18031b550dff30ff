import socket
from pathlib import Path

import pytest

from fhir_server.commands.dicom import banner
from fhir_server.core.settings import Settings
from interfaces.dicom.configuration import peers_alone


@pytest.mark.parametrize(
    ("given", "alone", "anybody"),
    [
        ({"security": "open"}, False, False),
        ({"security": "open", "dicom_known_peers_only": True}, True, False),
        ({"security": "smart"}, True, False),
        ({"security": "smart", "dicom_known_peers_only": False}, False, True),
    ],
)
def test_who_may_call_the_port_is_told(given: dict, alone: bool, anybody: bool, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, **given)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        line = banner(settings, listening)
        assert str(listening.getsockname()[1]) in line
    assert peers_alone(settings) is alone
    assert ("alone, which names none yet" in line) is alone and ("without a token" in line) is anybody


def test_a_file_of_peers_is_told_by_its_name_alone(tmp_path: Path) -> None:
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "peers.toml").write_text('[[peer]]\nae_title = "CT1"\nhost = "10.0.0.5"\n')
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert banner(Settings(data=tmp_path, security="smart"), listening).endswith("dicom/peers.toml alone")

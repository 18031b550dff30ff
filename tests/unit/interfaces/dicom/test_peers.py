"""The file of peers: what is wrong in it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from interfaces.dicom.configuration import read

CT = '[[peer]]\nae_title = "CT1"\nhost = "10.0.0.5"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CT + CT.replace("10.0.0.5", "10.0.0.6"), "several peers CT1"),
        (CT + '[[forward]]\nto = "PACS"\n', "none of its peers"),
        (CT.replace("host", "hots"), "hots"),
        (CT + "port = 0\n", "port"),
        ("[[peer]\n", "is wrong"),
    ],
)
def test_what_is_wrong_in_the_file_is_told(tmp_path: Path, text: str, reason: str):
    (tmp_path / "peers.toml").write_text(text)
    with pytest.raises(FhirError, match=reason):
        read(tmp_path / "peers.toml")


def test_a_peer_is_found_by_its_title(tmp_path: Path):
    (tmp_path / "peers.toml").write_text(CT)
    peers = read(tmp_path / "peers.toml")
    assert peers.named("CT1 ") == peers.peer[0] and peers.named("CT2") is None

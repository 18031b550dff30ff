"""The message log where a login is required."""

import httpx

from tests.system.process import serving


def test_without_a_token_nobody_sees_messages(tmp_path):
    with serving(tmp_path, "--security", "smart", "--hl7-port", "0", "--hl7", _file(tmp_path)) as server:
        for method, path in (("GET", "/hl7/messages"), ("GET", "/hl7/status"), ("POST", "/hl7/upload")):
            assert httpx.request(method, f"{server.origin}{path}").status_code == 401
        refused = httpx.get(f"{server.origin}/hl7/messages", headers={"authorization": "Bearer nonsense"})
        assert refused.status_code == 401


def _file(folder):
    file = folder / "hl7.toml"
    file.write_text("[listener.lab]\nport = 0\n")
    return file

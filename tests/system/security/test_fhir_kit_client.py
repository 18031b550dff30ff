"""fhir-kit-client for Node finds where to sign in, and goes with a token."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.process import Server, hms

KIT = Path(__file__).resolve().parents[2] / "data" / "fhir-kit-client" / "fhir-kit-client.cjs"
KIT_APP = """
const { Client } = require(process.argv[1]);
const [baseUrl, bearerToken] = process.argv.slice(2);
const answered = (made) => made.then(({ resourceType }) => resourceType, ({ response }) => response.status);
(async () => {
  const { authorizeUrl, tokenUrl } = await new Client({ baseUrl }).smartAuthMetadata();
  const client = new Client({ baseUrl, bearerToken });
  console.log(JSON.stringify({
    urls: [authorizeUrl.pathname, tokenUrl.pathname],
    observations: (await client.search({ resourceType: "Observation" })).entry.length,
    statuses: [
      await answered(new Client({ baseUrl }).read({ resourceType: "Patient", id: "me" })),
      await answered(client.read({ resourceType: "Patient", id: "me" })),
      await answered(client.read({ resourceType: "Patient", id: "other" })),
      await answered(client.create({ resourceType: "Patient", body: { resourceType: "Patient" } })),
    ],
  }));
})();
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed: fhir-kit-client is not tried")
def test_fhir_kit_client_finds_where_to_sign_in_and_goes_with_a_token(secured: tuple[Server, Path]) -> None:
    server, data = secured
    given = ("--scope", "patient/*.rs", "--patient", "me", "--base-url", server.base, "--data", data)
    told = subprocess.run(
        ["node", "-e", KIT_APP, str(KIT), server.base, hms("token", *given).strip()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {
        "urls": ["/auth/authorize", "/auth/token"],
        "observations": 2,
        "statuses": [401, "Patient", 404, 403],
    }

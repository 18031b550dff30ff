"""fhir-kit-client for Node on a started server, by node's own test runner."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.process import serving_on

TESTS = Path(__file__).resolve().parent / "fhir_kit_client.test.mjs"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed: fhir-kit-client is not tried")
def test_fhir_kit_client_does_all_that_it_can(engine: str, tmp_path: Path) -> None:
    with serving_on(engine, tmp_path) as server:
        run = subprocess.run(
            ["node", "--test", "--test-reporter=spec", str(TESTS)],
            env={**os.environ, "FHIR_BASE": server.base},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr

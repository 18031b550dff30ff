"""The page's modules that need no browser, by node's own test runner."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
MODULES = "fhir_server/rest/page"
TESTS = "tests/unit/rest/page"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed: the page's modules are not tested")
def test_the_pages_modules_pass_their_own_tests(tmp_path: Path) -> None:
    # Beside a package.json that says so, every version of node reads .js files as ES modules.
    (tmp_path / "package.json").write_text(json.dumps({"type": "module"}))
    for folder in (MODULES, TESTS):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    tests = sorted(str(test) for test in (tmp_path / TESTS).glob("*.test.js"))
    assert tests
    run = subprocess.run(
        ["node", "--test", "--test-reporter=spec", *tests], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr

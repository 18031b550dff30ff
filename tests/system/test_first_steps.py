"""docs/how-to/first-steps.md, typed in as it stands."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.process import serving

PAGE = Path(__file__).parents[2] / "docs/how-to/first-steps.md"


@pytest.mark.skipif(not shutil.which("curl"), reason="the page uses curl")
def test_every_command_of_the_page_does_what_it_says(tmp_path):
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert blocks[0] == "make serve\n" and "fhir=" in blocks[1]
    with serving(tmp_path) as server:
        said = [typed(block, server.base) for block in blocks[2:]]
    stored, refused, looked_back, found, samples = said
    assert [resource["id"] for resource in stored] == ["anna", "anna"]
    assert refused[0]["resourceType"] == "OperationOutcome" and "birthDate" in refused[0]["issue"][0]["diagnostics"]
    assert looked_back[0]["gender"] == "female" and looked_back[1]["total"] == 2 and "gender" not in looked_back[2]
    assert [bundle["total"] for bundle in found] == [1, 1]
    assert all(bundle.get("total") or bundle["entry"] for bundle in samples)


def typed(block, base):
    """The JSON documents that a block of commands prints."""
    start = f"""fhir={base}
curl() {{ command curl -sS "$@" && echo; }}
make() {{ {sys.executable} -m fhir_server.cli load --samples --server {base} 2>/dev/null; }}
"""
    run = subprocess.run(["bash", "-euc", start + block], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0 and not run.stderr, run.stderr
    decoder, text, documents = json.JSONDecoder(), run.stdout.strip(), []
    while text:
        document, end = decoder.raw_decode(text)
        documents.append(document)
        text = text[end:].strip()
    return documents

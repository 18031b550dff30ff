"""What the scrub says of a claim before it goes out."""

from pathlib import Path

import msgspec
import pytest

from fhir_server.subsystems.billing.scrub import Edits, findings
from tests.unit.interfaces.x12 import samples


def said(tmp_path: Path, **changes) -> list[tuple[str, str]]:
    edits = Edits(tmp_path / "edits.sqlite")
    line = {name: changes.pop(name) for name in ("units", "date") if name in changes}
    made = samples.claim(**changes)
    lines = (msgspec.structs.replace(made.lines[0], **line), *made.lines[1:])
    found = findings(msgspec.structs.replace(made, lines=lines), edits, eligible=True)
    edits.close()
    return [(each.severity, each.code) for each in found if each.code in ("units", "date", "diagnosis", "diagnoses")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"units": "0"}, [("error", "units")]),
        ({"date": "20261399"}, [("error", "date")]),
        ({"date": ""}, [("error", "date")]),
        ({"diagnoses": ("250.00",)}, [("error", "diagnosis")]),
        ({"diagnoses": ("E119", "hello")}, [("error", "diagnosis")]),
        ({"diagnoses": tuple(f"E{number}" for number in range(10, 23))}, [("warning", "diagnoses")]),
    ],
)
def test_what_a_payer_would_refuse_is_told(tmp_path: Path, changes: dict, expected: list):
    assert said(tmp_path, **changes) == expected

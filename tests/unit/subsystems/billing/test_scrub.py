"""What the scrub says of a claim before it goes out."""

from pathlib import Path

import msgspec
import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.subsystems.billing.scrub import Edits, findings
from fhir_server.subsystems.registry import registered
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


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ('[{"edit": "x",', "has no edits of payers"),
        ('{"edit": "x", "text": "y"}', "has no edits of payers"),
        ('[{"edit": "x"}]', "missing required field `text`"),
        ('[{"edit": "x", "text": "y", "code": ["99213"]}]', "unknown field `code`"),
        ('[{"edit": "x", "text": "y", "needs": "subscriber.age"}]', "x needs subscriber.age, which is no part"),
    ],
)
def test_edits_of_payers_that_are_wrong_are_named(tmp_path: Path, written: str, wrong: str):
    (tmp_path / "subsystems").mkdir()
    (tmp_path / "subsystems" / "billing-edits.json").write_text(written)
    with pytest.raises(FhirError, match=wrong):
        registered("billing").require(Settings(data=tmp_path))


def test_a_site_has_edits_of_its_own(tmp_path: Path):
    own = '[{"edit": "zip", "text": "y", "needs": "subscriber.place.zip"}, {"edit": "review", "text": "z"}]'
    (tmp_path / "billing-edits.json").write_text(own)
    edits = Edits(tmp_path / "edits.sqlite")
    assert [each.code for each in edits.of_payer(samples.claim())] == ["payer-review"]
    edits.close()

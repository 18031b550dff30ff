"""What is erased from the server is in none of billing's files any more."""

from pathlib import Path

import pytest

from tests.unit.subsystems.billing.story import Story, encounter, folder, procedure

pytestmark = pytest.mark.anyio
NAME = "Zyxwvutsrq"


def said(path: Path) -> list[str]:
    return [file.name for file in sorted(folder(path).iterdir()) if NAME.encode() in file.read_bytes()]


async def test_a_patient_who_is_erased_leaves_nothing_but_references(story: Story, tmp_path: Path):
    of_otto = {"subject": {"reference": "Patient/otto"}}
    await story.store(
        {"resourceType": "Patient", "id": "otto", "name": [{"family": NAME}]},
        encounter(id="secret", **of_otto),
        procedure("told", encounter={"reference": "Encounter/secret"}, note=[{"text": NAME * 1000}], **of_otto),
    )
    assert said(tmp_path)
    erased = await story.fhir("POST", "Patient/otto/$purge", b"")
    assert erased.status_code == 200, erased.text
    await story.settle()
    assert said(tmp_path) == []

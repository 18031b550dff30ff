"""Training that people must have."""

from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.workforce.models import DAY
from fhir_server.subsystems.workforce.training import trainings_of
from tests.conftest import Fhir
from tests.unit.subsystems.workforce.ward import Ward, practitioner, role

pytestmark = pytest.mark.anyio

FILE = """{"trainings": [{"code": "fire", "name": "Fire safety"},
                         {"code": "bls", "name": "Basic life support", "skills": ["icu"]}]}"""


def trained(id: str, **ends: str) -> dict:
    made = practitioner(id)
    made["qualification"] += [
        {"code": {"coding": [{"code": code}]}, "period": {"end": end}} for code, end in ends.items()
    ]
    return made


async def test_who_lacks_a_training_has_a_task_and_is_not_blocked(fhir: Fhir, tmp_path: Path):
    (tmp_path / "training.json").write_text(FILE)
    ward = await Ward(fhir, tmp_path, trainings_of(tmp_path / "training.json")).open("anna", "ben")
    await fhir.create(role("anna", specialty=[{"coding": [{"code": "icu"}]}]))
    await fhir.create(trained("anna", fire="2027-12-31"))
    await fhir.create(trained("ben", fire="2026-10-31"))
    await ward.settle()
    said = {task["description"]: task["priority"] for task in await ward.found("Task?status=requested")}
    assert said == {
        "Basic life support of Anna is missing.": "routine",
        "Fire safety of Ben ends on 2026-10-31.": "routine",
    }
    ward.now += 60 * DAY
    await ward.settle()
    found = {each["name"]: each for each in (await ward.ask("GET", "/compliance"))["practitioners"]}
    assert found["Ben"]["training"] == [{"name": "Fire safety", "state": "ended", "ends": "2026-10-31"}]
    assert (found["Ben"]["state"], found["Ben"]["blocked"]) == ("valid", False)
    assert [each["state"] for each in found["Anna"]["training"]] == ["valid", "missing"]
    await fhir.create(trained("anna", fire="2027-12-31", bls="2028-12-31"))
    await fhir.create(trained("ben", fire="2027-10-31"))
    await ward.settle()
    assert (await ward.ask("GET", "/work"))["items"] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"trainings": [{"code": "a"}]}', "missing required field `name`"), ("{}", "missing required field"),
     ('{"trainings": [{"code": "a", "name": "A"}, {"code": "a", "name": "B"}]}', "a stands there twice")],
)  # fmt: skip
def test_a_wrong_file_is_named(tmp_path: Path, text: str, said: str):
    (tmp_path / "training.json").write_text(text)
    with pytest.raises(FhirError, match=said):
        trainings_of(tmp_path / "training.json")
    with pytest.raises(FhirError, match="can't be read"):
        trainings_of(tmp_path / "none.json")

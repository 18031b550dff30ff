"""`hms load` and `hms export` with the store that other machines share."""

import json
from pathlib import Path

from tests.engines import DISTRIBUTED, named, settings_on
from tests.system.process import hms


def test_what_is_loaded_is_exported_the_same(tmp_path: Path) -> None:
    sent = [
        {"resourceType": "Patient", "id": "a", "name": [{"family": "Jäger"}]},
        {"resourceType": "Patient", "id": "b", "birthDate": "1990-05"},
        {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "weight"},
         "subject": {"reference": "Patient/a"}, "valueQuantity": {"value": 70.5}},
    ]  # fmt: skip
    source = tmp_path / "sent.ndjson"
    source.write_text("".join(json.dumps(each) + "\n" for each in sent), "utf-8")
    with settings_on(DISTRIBUTED, tmp_path / "data") as settings:
        options = ["--data", settings.data, *named(settings, tmp_path)]
        for _ in range(2):
            assert "3 resources loaded" in hms("load", source, *options)
        hms("export", tmp_path / "out", *options)
    found = [json.loads(line) for file in (tmp_path / "out").iterdir() for line in file.read_text("utf-8").splitlines()]
    assert {each.pop("meta")["versionId"] for each in found} <= {"1", "2"}
    assert sorted(found, key=lambda each: each["id"]) == sent

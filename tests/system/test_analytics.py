"""The commands of analytics, against a data folder."""

import json
from pathlib import Path

from tests.system.process import hms


def test_from_a_file_to_a_lake_an_indicator_and_a_score(tmp_path: Path):
    data = tmp_path / "data"
    stay = {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "IMP"},
            "subject": {"reference": "Patient/p"}, "period": {"start": "2026-03-01", "end": "2026-03-04"}}  # fmt: skip
    vital = {"9279-1": 16, "59408-5": 97, "8867-4": 95, "8310-5": 37, "9269-2": 15, "8480-6": 120}
    measured = [
        {"resourceType": "Observation", "id": f"o{code}", "status": "final", "subject": {"reference": "Patient/p"},
         "code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "effectiveDateTime": "2026-03-01",
         "valueQuantity": {"value": value}}
        for code, value in vital.items()
    ]  # fmt: skip
    lines = [json.dumps(each) for each in ({"resourceType": "Patient", "id": "p", "gender": "female"}, stay, *measured)]
    (tmp_path / "all.ndjson").write_text("\n".join(lines))
    hms("load", tmp_path / "all.ndjson", "--data", data)
    assert "analytics is at position" in hms("subsystem", "run", "analytics", "--once", "--data", data)
    assert hms("sql", "SELECT gender FROM patients", "--data", data) == "gender\nfemale\n"
    shown = hms("kpi", "length_of_stay", "--data", data)
    assert "2026-03         3.00  of 1      met" in shown
    assert "Encounter/e,Patient/p,3.0" in hms("kpi", "length_of_stay", "--rows", "2026-03", "--data", data)
    assert "  Encounter/e  Length of stay" in hms("trace", "indicator/length_of_stay/2026-03", "--data", data)
    before = hms("sql", "SELECT * FROM observations ORDER BY 1", "--data", data)
    hms("subsystem", "rebuild", "analytics", "--data", data)
    assert hms("sql", "SELECT * FROM observations ORDER BY 1", "--data", data) == before
    shown = hms("score", "news2", "Patient/p", "--store", "--data", data)
    assert "NEWS2 1 (low)" in shown
    assert "stored as RiskAssessment/" in shown
    assert "There is no Patient/nobody" in hms("score", "news2", "nobody", "--data", data, code=1)

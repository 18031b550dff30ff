import json
import signal
import subprocess

import pytest

from fhir_server.codec.places import json_places, xml_places
from tests.system.process import command, hms

BUNDLE = b"""{
  "resourceType": "Bundle",
  "entry": [
    {"resource": {
      "resourceType": "Observation",
      "valueQuantity": {
        "value": 1, "unit": "a {[,\\"] b"
      },
      "note": [{"text": "1"},
        {"text": "2"}]
    }}
  ]
}"""
XML = b"""<Bundle xmlns="http://hl7.org/fhir">
  <entry>
    <resource><Patient>
      <name><given value="A"/>
        <given value="B"/></name>
    </Patient></resource>
  </entry>
</Bundle>"""


@pytest.mark.parametrize(
    ("expression", "line"),
    [
        ("Bundle", 1),
        ("Bundle.entry[0].resource", 4),
        ("Bundle.entry[0].resource.value", 6),
        ("Bundle.entry[0].resource.value.unit", 7),
        ("Bundle.entry[0].resource.note[1].text", 10),
        ("Bundle.entry[0].resource.status", 4),
        ("Bundle.entry[3].resource", 1),
    ],
)
def test_an_element_of_json_is_found_by_its_line(expression, line):
    assert json_places(BUNDLE).find(expression).line == line


def test_an_element_of_xml_is_found_by_its_line():
    assert xml_places(XML).find("Bundle.entry[0].resource.name[0].given[1]").line == 5


def test_issues_are_told_as_a_compiler_would(tmp_path):
    good = {"resourceType": "Patient"}
    file = tmp_path / "patients.ndjson"
    file.write_text("\n".join(map(json.dumps, [good, {**good, "gender": "x"}])) + "\n")
    said = hms("validate", file, "--data", tmp_path / "none", code=1)
    assert f"{file}:2: error: 'x' is not a code" in said
    assert "[binding-required] at Patient.gender" in said


def test_all_that_is_wrong_in_an_xml_file_is_told_with_its_line(tmp_path):
    file = tmp_path / "patient.xml"
    wrong = '<nick/>\n<active value="1"/>\n<gender value="x"/>'
    file.write_text(f'<Patient xmlns="http://hl7.org/fhir">\n{wrong}</Patient>')
    said = hms("validate", file, "--data", tmp_path / "none", code=1)
    assert [line.split(":")[1] for line in said.splitlines() if line.startswith(str(file))] == ["2", "3", "4"]


def test_files_without_errors_end_well(tmp_path):
    file = tmp_path / "patient.json"
    file.write_text('{"resourceType": "Patient"}')
    assert "1 resources, 0 errors" in hms("validate", file, "--data", tmp_path / "none")


def test_ctrl_c_ends_it_between_two_resources(tmp_path):
    file = tmp_path / "many.ndjson"
    file.write_text('{"resourceType": "Patient", "gender": "x"}\n' * 100_000)
    run, environment = command("validate", file, "--data", tmp_path / "none")
    validating = subprocess.Popen(
        run, env=environment | {"PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a shell has its background ignore
    )  # fmt: skip
    assert validating.stdout is not None and "many.ndjson:1: error" in validating.stdout.readline()
    validating.send_signal(signal.SIGINT)
    said, summary = validating.communicate()
    assert validating.returncode != 0 and said.count("\n") < 99_999 and "resources," not in summary

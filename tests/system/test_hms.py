"""The `hms` command as a person runs it: processes, files and a port."""

import json
import re
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
import zstandard

from fhir_server.samples import patient_ids
from tests.system.process import command, hms, serving

WORKFORCE = ("serve", "--port", "0", "--subsystems", "workforce")
DICOM = ("serve", "--port", "0", "--dicom", "true", "--dicom-port", "0")
SYNTHEA = "https://github.com/synthetichealth/synthea"


def total(base, search):
    answer = httpx.get(f"{base}/{search}&_summary=count")
    assert answer.status_code == 200, answer.text
    return answer.json()["total"]


def test_the_samples_are_there_once_and_searches_find_what_the_files_have(loaded, sample):
    counted = Counter(resource["resourceType"] for resource in sample)
    systolic = sum(
        resource["resourceType"] == "Observation"
        and any(coding["code"] == "85354-9" for coding in resource["code"]["coding"])
        for resource in sample
    )
    female = sum(resource["resourceType"] == "Patient" and resource["gender"] == "female" for resource in sample)
    born = sum(resource["resourceType"] == "Patient" and resource["birthDate"] >= "1990" for resource in sample)
    patient = patient_ids()[0]
    encounters = sum(
        resource["resourceType"] == "Encounter" and patient in resource["subject"]["reference"] for resource in sample
    )
    with serving(loaded) as server:
        assert {type: total(server.base, f"{type}?") for type in counted} == counted
        assert total(server.base, "Observation?code=http://loinc.org|85354-9") == systolic > 0
        assert total(server.base, "Patient?gender=female") == female > 0
        assert total(server.base, "Patient?birthdate=ge1990") == born > 0
        assert total(server.base, f"Encounter?subject=Patient/{patient}") == encounters > 0
        assert total(server.base, f"Encounter?subject:Patient._id={patient}") == encounters
        assert total(server.base, f"Patient?identifier={SYNTHEA}|{patient}") == 1


def test_the_store_is_whole_and_told_about(loaded):
    assert "whole" in hms("check", "--data", loaded)
    assert re.search(r"16,816 resources.*\n.*Observation", hms("info", "--data", loaded))
    assert "All resources are indexed" in hms("reindex", "--data", loaded)
    assert "whole" in hms("check", "--data", loaded)


def test_an_export_loads_into_the_same_resources(loaded, tmp_path):
    hms("export", tmp_path / "out", "--data", loaded, "--gz", "--type", "Patient", "--type", "Organization")
    hms("load", tmp_path / "out", "--data", tmp_path / "other")
    hms("export", tmp_path / "again", "--data", tmp_path / "other")
    hms("export", tmp_path / "plain", "--data", loaded, "--type", "Patient", "--type", "Organization")
    for name, count in (("Patient", 28), ("Organization", 460)):
        plain, again = (content(tmp_path / folder / f"{name}.ndjson") for folder in ("plain", "again"))
        assert len(plain) == count and plain == again
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == ["Organization.ndjson", "Patient.ndjson"]


def content(file: Path):
    """The resources of an NDJSON file by id, without meta."""
    resources = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return {resource["id"]: {k: v for k, v in resource.items() if k != "meta"} for resource in resources}


def test_loading_and_exporting_by_http(tmp_path):
    source = tmp_path / "Patient.ndjson.zst"
    source.write_bytes(
        zstandard.compress(b'{"resourceType":"Patient","id":"1"}\n{"resourceType":"Patient","id":"2"}\n')
    )
    with serving(tmp_path / "data") as server:
        assert "2 resources loaded" in hms("load", source, "--server", server.base)
        hms("export", tmp_path / "out", "--server", server.base)
    assert set(content(tmp_path / "out" / "Patient.ndjson")) == {"1", "2"}


def test_refused_files_are_listed_and_end_in_an_error(tmp_path):
    (tmp_path / "good.json").write_text('{"resourceType":"Patient","id":"1"}')
    (tmp_path / "bad.json").write_text('{"resourceType":"Patient","birthdate":"2000"}')
    said = hms("load", tmp_path, "--data", tmp_path / "data", code=1)
    assert re.search(r"refused \S+bad\.json: .*birthDate", said)
    assert "1 resources loaded" in said and "1 refused" in said


def test_samples_are_loaded_once_when_a_server_starts_with_them(loaded):
    with serving(loaded, "--samples") as server:
        assert httpx.get(f"{server.base}/Patient/{patient_ids()[0]}").json()["meta"]["versionId"] == "2"


def test_the_version_is_told():
    assert hms("--version") == f"Ultimate HMS {version('ultimate-hms')}, FHIR R4 (4.0.1)\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("serve", "--port", "http"), "a whole number"),
        (("serve", "--config", "none.toml"), "none.toml can't be read"),
        (("serve", "--data", "/proc/none"), "can't be written"),
        (("check", "--data", "none"), "There is no store"),
        (("load", "none.json", "--server", "http://127.0.0.1:9/fhir"), "no such file"),
        (("export", "out", "--server", "ftp://x"), "http://"),
        (("hl7", "send", __file__, "--to", "127.0.0.1:9"), "Is its listener started"),
        (("hl7", "send", __file__, "--to", "127.0.0.1:99999"), "must be HOST:PORT"),
        (("load", "--samples", "--server", "http://127.0.0.1:port/fhir"), "is no base URL: Invalid port: 'port'"),
        (("load", "--samples", "--server", "http://127.0.0.1:99999/fhir"), "is no base URL: Invalid port"),
        (("hl7", "list", "--server", "127.0.0.1:8080"), "is no base URL"),
        (("story", "--server", "http://127.0.0.1:9"), "is this its URL"),
        (("story", "--server", "http://127.0.0.1:9", "--mllp", "2575"), "--mllp must be HOST:PORT"),
        (("serve", "--data", ""), "data can't be ''"),
        (("serve", "--views", "none"), "views names none, which can't be read"),
        (("serve", "--policies", "none.toml"), "policies names none.toml, which can't be read"),
        ((*WORKFORCE, "--workforce-pay", __file__), "test_hms.py has no rules of pay"),
        ((*DICOM, "--dicom-peers", "none.toml"), "none.toml can't be read"),
        ((*DICOM, "--dicom-storage", "s4://x"), "dicom_storage can't be used: Protocol not known: s4"),
    ],
)
def test_a_wrong_call_ends_with_what_to_change(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = hms(*arguments, code=1)
    assert said in message and "Traceback" not in message


INTERRUPTED_AMID_IMPORTS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what it starts behind itself ignore it
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "fhir_server.commands.serve":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from fhir_server.cli import main
main()
"""


def test_ctrl_c_while_a_command_is_loaded_ends_it_without_a_word():
    run = [sys.executable, "-c", INTERRUPTED_AMID_IMPORTS, "serve"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (130, "")


def test_loading_what_is_not_there_makes_no_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no such file or folder: none.json" in hms("load", "none.json", code=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [("user", "list"), ("client", "list"), ("client", "remove", "x"), ("launch", "x"), ("token",)]
)
def test_a_folder_without_accounts_is_told_and_left_alone(arguments, tmp_path):
    assert "There are no users or clients in" in hms(*arguments, "--data", tmp_path / "none", code=1)
    assert not (tmp_path / "none").exists()


def test_a_load_into_a_secured_server_is_told_to_go_by_its_data_folder(tmp_path):
    with serving(tmp_path, "--security", "smart") as server:
        told = hms("load", "--samples", "--server", server.base, code=1)
        assert "use --data on the server's machine" in told
        (tmp_path / "anna.json").write_text('{"resourceType": "Patient", "id": "anna"}')
        hms("load", tmp_path / "anna.json", "--data", tmp_path)
        token = hms("token", "--data", tmp_path, "--base-url", server.base).strip()
        answer = httpx.get(f"{server.base}/Patient/anna", headers={"authorization": f"Bearer {token}"}, timeout=60)
        assert answer.status_code == 200


def test_a_payment_to_a_server_without_billing_is_told_how_it_gets_it(tmp_path):
    with serving(tmp_path) as server:
        told = hms("billing", "pay", "anna", "1.00", "--receipt", "R", "--server", server.base, code=1)
        assert "start the server with --subsystems billing" in told


def test_a_port_in_use_is_told(tmp_path):
    with serving(tmp_path) as server:
        port = server.base.split(":")[2].partition("/")[0]
        assert f"port {port}" in hms("serve", "--port", port, "--data", tmp_path, code=1)


def test_an_unknown_variable_of_the_environment_is_told(tmp_path):
    run, environment = command("check", "--data", tmp_path)
    done = subprocess.run(run, env={**environment, "HMS_WORKER": "2"}, capture_output=True, text=True)
    assert done.returncode == 1 and "Did you mean workers" in done.stderr


def test_what_can_not_be_written_is_one_line(tmp_path):
    taken, resource = tmp_path / "taken", tmp_path / "p.json"
    taken.write_text("")
    resource.write_text('{"resourceType": "Patient", "id": "a"}')
    hms("load", resource, "--data", tmp_path / "data")
    assert hms("export", taken, "--data", tmp_path / "data", code=1) == f"hms: {taken}: File exists.\n"
    run, environment = command("load", resource, "--data", tmp_path / "small")
    limited = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *run]  # no file over a few KB: like a full disk
    ended = subprocess.run(limited, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "can't be used" in ended.stderr and "Traceback" not in ended.stderr


def test_an_empty_folder_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty: The folder has no files to load." in hms(
        "load", tmp_path / "empty", "--data", tmp_path / "d", code=1
    )

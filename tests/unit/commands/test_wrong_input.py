"""A mistake on the command line is a line or two that say what to do: no traceback, and nothing made or changed."""

from pathlib import Path

import pytest

from fhir_server.commands.options import require_url
from fhir_server.core.errors import FhirError
from tests.system.process import hms

FEES = "code,price,title\n99213,120.00,Untersuchung für Erwachsene\n"
PAST_ALL = "99999999999999999999"


@pytest.mark.parametrize(
    "command",
    [
        ("billing", "pay", "p", "12.50", "--receipt", "R"), ("export", "out"), ("trace", "Patient/p"), ("story",),
        ("hl7", "list"), ("dicom", "listen", "--dicom-port", "0"), ("subsystem", "run", "billing", "--once"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_server_that_is_no_url(command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = hms(*command, "--server", "nope", code=1)
    assert "is no base URL" in said and said.count("\n") == 1
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "server", ["::::", "http://", "http://:8080/fhir", "http://fhir.test:x/", "ftp://fhir.test/fhir"]
)
def test_a_url_that_no_server_can_have(server: str) -> None:
    with pytest.raises(FhirError, match="is no base URL"):
        require_url(server)


@pytest.mark.parametrize("to", ["nope", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:999999", ":2575", "h:²"])
def test_an_address_that_is_no_host_and_port(to: str, tmp_path: Path) -> None:
    (tmp_path / "a.hl7").write_text("MSH|^~\\&|A|B|C|D|20261128||ADT^A01|1|P|2.5.1\r")
    assert hms("hl7", "send", tmp_path / "a.hl7", "--to", to, code=1).startswith("hms: --to must be HOST:PORT")


def test_a_fee_schedule_that_a_spreadsheet_saved_in_another_character_set(tmp_path: Path) -> None:
    (tmp_path / "fees.csv").write_bytes(FEES.encode("cp1252"))
    said = hms("billing", "fees", tmp_path / "fees.csv", "--data", tmp_path / "data", code=1)
    assert "is not UTF-8" in said and said.count("\n") == 1


@pytest.mark.parametrize("command", [("trial",), ("edits", "mue", "mue.csv")], ids=" ".join)
def test_billing_of_a_folder_that_has_none(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mue.csv").write_text("80053,1,2\n")
    assert "Billing has kept nothing in" in hms("billing", *command, "--data", "typo", code=1)
    assert not Path("typo").exists()


@pytest.mark.parametrize("command", ["run", "rebuild"])
def test_a_subsystem_on_a_folder_without_a_store_makes_none(command: str, tmp_path: Path) -> None:
    once = ["--once"] if command == "run" else []
    assert "There is no store" in hms("subsystem", command, "billing", *once, "--data", tmp_path / "typo", code=1)
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("p.json", '{"resourceType": "Patient", "gender": "f"}', "'f' is not a code"),
        ("p.json", "{", "cut short"),
        ("p.txt", "", "does not tell what it is"),
        ("p.ndjson", '{"resourceType": "Patient", "gender": "f"}\n{}', "2 refused"),
    ],
)
def test_a_load_that_is_refused_makes_no_folder(name: str, content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    told = hms("load", tmp_path / name, "--data", tmp_path / "new", code=1)
    assert reason in told
    assert not (tmp_path / "new").exists()


def test_a_load_of_which_a_part_is_refused_keeps_the_rest_and_tells_once(tmp_path: Path) -> None:
    lines = ['{"resourceType": "Patient", "gender": "f"}', '{"resourceType": "Patient", "id": "a"}']
    (tmp_path / "p.ndjson").write_text("\n".join(lines))
    told = hms("load", tmp_path / "p.ndjson", "--data", tmp_path / "new", code=1)
    assert "1 resources loaded" in told and told.count("is not a code") == 1
    assert "Patient" in hms("info", "--data", tmp_path / "new")


def test_what_a_subsystem_keeps_stays_where_no_server_answers(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"resourceType": "Patient", "id": "p"}')
    hms("load", tmp_path / "p.json", "--data", tmp_path)
    hms("subsystem", "run", "billing", "--once", "--data", tmp_path)
    kept = (tmp_path / "subsystems" / "billing.sqlite").stat().st_ino
    away = "http://127.0.0.1:1/fhir"
    assert "No server answers" in hms("subsystem", "rebuild", "billing", "--server", away, "--data", tmp_path, code=1)
    assert (tmp_path / "subsystems" / "billing.sqlite").stat().st_ino == kept


def test_a_password_that_nobody_can_type(tmp_path: Path) -> None:
    assert "--password -" in hms("user", "add", "doc", "--data", tmp_path / "data", code=1)


@pytest.mark.parametrize(
    "command",
    [
        ("audit", "prune", "--days", PAST_ALL), ("terminology", "resume", PAST_ALL),
        ("terminology", "cancel", PAST_ALL), ("backup", "out", "--follow", "inf"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_number_past_what_it_can_be(command: tuple[str, ...], tmp_path: Path) -> None:
    said = hms(*command, "--data", tmp_path / "none", code=2)
    assert "less than or equal to" in said and "Traceback" not in said


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_backup_of_the_data_folder_where_mongodb_has_the_resources(command: str, tmp_path: Path) -> None:
    (tmp_path / "hms.toml").write_text('mongodb_url = "mongodb://db1"\nelasticsearch_url = "http://es1:9200"\n')
    data = tmp_path / "data"  # with a store from before the move to MongoDB
    data.mkdir()
    (data / "fhir.sqlite").write_bytes(b"")
    said = hms(command, tmp_path / "kept", "--data", data, "--config", tmp_path / "hms.toml", code=1)
    assert "resources are in MongoDB" in said and said.count("\n") == 1
    assert not (tmp_path / "kept").exists() and [*data.iterdir()] == [data / "fhir.sqlite"]

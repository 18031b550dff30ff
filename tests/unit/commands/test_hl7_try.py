"""hms hl7 try: each element with the field and the rule that made it."""

import json
from pathlib import Path

from typer.testing import CliRunner

from fhir_server.commands.program import program

MESSAGE = Path(__file__).parents[2] / "data" / "hl7v2" / "messages" / "LAB-ORU-1.hl7"


def run(*arguments: str, text: str | None = None):
    return CliRunner().invoke(program(), ["hl7", "try", *arguments], input=text)


def test_a_line_tells_field_value_element_rule_and_whose_it_is():
    output = run(str(MESSAGE)).output
    assert output.startswith("ORU^R01 read as ORU_R01")
    line = next(line for line in output.splitlines() if line.strip().startswith("PID-7 "))
    assert line.split()[:4] == ["PID-7", "1924-10-10", "birthDate", "HL7"]
    assert "PID[Patient] PID-7" in line


def test_the_transaction_is_printed():
    bundle = json.loads(run("--bundle", str(MESSAGE)).output)
    assert (bundle["type"], bundle["entry"][0]["resource"]["resourceType"]) == ("transaction", "Patient")


def test_tables_of_a_site_are_tried(tmp_path):
    (tmp_path / "maps.csv").write_text(
        "map,source,condition,target,type_map,vocabulary,assignment,comment\nPID[Patient],PID-7,,,,,,\n"
    )
    output = run("--tables", str(tmp_path), str(MESSAGE)).output
    assert not any(line.strip().startswith("PID-7 ") for line in output.splitlines())


def test_what_can_not_be_tried_says_why(tmp_path):
    for arguments in ([str(tmp_path / "none.hl7")], ["--tables", str(tmp_path / "none"), str(MESSAGE)]):
        assert run(*arguments).exception
    assert "No mapping table" in str(run("-", text="MSH|^~\\&|A|B|||2024||ZZZ^Z99|1|P|2.5\r").exception)


HEAD = "MSH|^~\\&|A|B|||2024||{kind}|{number}|P|2.5\r"


def test_each_message_of_a_batch_is_tried():
    batch = "BHS|^~\\&|A\r"
    for number in (1, 2):
        batch += HEAD.format(kind="ADT^A08", number=number) + f"PID|1||{number}^^^H||DOE^JANE\r"
    output = run("-", text=batch + "BTS|2\r").output
    assert output.count("ADT^A08 read as ADT_A01") == 2
    assert run("-", text=batch + "BTS|3\r").exit_code == 1


def test_a_message_that_could_not_be_applied_ends_with_1():
    assert run("-", text=HEAD.format(kind="ADT^A08", number=1) + "PID|1||||DOE^JANE\r").exit_code == 1


def test_a_query_is_told_from_what_no_table_has():
    found = run("-", text=HEAD.format(kind="QBP^Q22", number=1) + "QPD|Q22|1|@PID.5.1^X\r")
    assert (found.exit_code, "is a query" in found.output) == (0, True)

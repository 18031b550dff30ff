"""What messages say and what becomes of it, over a socket."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.system.hl7v2.conftest import Hospital, adt, codes, oru, token


def test_a_duplicate_gets_the_first_answer_and_changes_nothing(hospital: Hospital):
    first = hospital.ask(oru("dup-1", "M1", 2)).encode()
    before = hospital.http.get("/fhir/_history?_count=1").json()
    assert hospital.ask(oru("dup-1", "M1", 2)).encode() == first
    assert hospital.http.get("/fhir/_history?_count=1").json()["entry"] == before["entry"]


def test_the_same_id_with_other_content_is_an_alarm(hospital: Hospital):
    assert codes(hospital.ask(oru("other-id", "M2", 1))) == ("AA", "")
    assert codes(hospital.ask(oru("other-id", "M2", 2))) == ("AA", "")
    assert [row["alarm"] for row in hospital.messages(text="other-id")] == [True, False]
    assert codes(hospital.ask(oru("other-id-2", "M2", 1, sender="REFUSING"))) == ("AA", "")
    assert codes(hospital.ask(oru("other-id-2", "M2", 2, sender="REFUSING"))) == ("AE", "205")
    assert 'hms_hl7_events_total{event="other"' in hospital.http.get("/metrics").text


def test_an_unknown_event_and_an_unknown_type(hospital: Hospital):
    assert codes(hospital.ask(adt("Z99", "unknown-1", "M3"))) == ("AR", "201")
    answer = hospital.ask(adt("A01", "unknown-2", "M3").replace("ADT^A01", "ZZZ^Z01"))
    assert codes(answer) == ("AR", "200")
    assert (answer.get("ERR-2.1"), answer.get("ERR-2.3")) == ("MSH", "9")
    assert [row["state"] for row in hospital.messages(text="unknown-")] == ["failed", "failed"]


def test_a_result_without_a_pid(hospital: Hospital):
    lines = oru("no-pid", "M4", 1).split("\r")
    answer = hospital.ask("\r".join(line for line in lines if not line.startswith("PID")))
    assert (codes(answer), answer.get("ERR-2.1")) == (("AE", "100"), "PID")
    assert "PID is required" in answer.get("ERR-8") + answer.get("ERR-7")
    assert hospital.messages(text="no-pid")[0]["state"] == "failed"
    assert hospital.found("DiagnosticReport?identifier=Fno-pid") == []


@pytest.mark.parametrize("version", ["2.1", "2.3.1", "2.9", ""])
def test_versions(hospital: Hospital, version: str):
    answer = hospital.ask(oru(f"version-{version}", f"M5{version}", 1, version=version))
    assert (answer.get("MSA-1"), answer.version) == ("AA", version or "2.5.1")


def test_letters_of_8859_1(hospital: Hospital):
    sent = oru("latin-1", "M6", 1, name="MÜLLER^ZOË", msh="||||||8859/1")
    answer = hospital.ask(sent.encode("latin-1"))
    assert (answer.get("MSA-1"), answer.get("MSH-18")) == ("AA", "8859/1")
    assert token(hospital, "M6")["name"][0]["family"] == "MÜLLER"


def test_every_escape_and_a_lone_backslash(hospital: Hospital):
    name = r"A\F\B\S\C\T\D\R\E\E\F\X47\G \ H^JANE"
    assert hospital.ask(oru("escape-1", "M7", 1, name=name)).get("MSA-1") == "AA"
    assert token(hospital, "M7")["name"][0]["family"] == "A|B^C&D~E\\FGG \\ H"


def test_a_wrong_batch_count(hospital: Hospital):
    batch = "BHS|^~\\&|LIS|HOSP|HMS|HOSP|2026||||batch-1\r" + oru("in-batch-1", "M8", 1) + oru("in-batch-2", "M8", 1)
    answer = hospital.ask(batch + "BTS|3\r")
    assert {segment.value(1) for segment in answer.all("MSA")} == {"AE"}
    assert hospital.found("Patient?identifier=M8") == []
    assert {segment.value(1) for segment in hospital.ask(batch + "BTS|2\r").all("MSA")} == {"AA"}  # as it is whole now
    assert len(hospital.found("Patient?identifier=M8")) == 1


def test_a_batch_is_answered_by_a_batch(hospital: Hospital):
    batch = "BHS|^~\\&|LIS|HOSP|HMS|HOSP|2026||||batch-2\r" + oru("in-batch-3", "M9", 1) + oru("in-batch-4", "M9", 1)
    answer = hospital.ask(batch + "BTS|2\r")
    assert [segment.value(1) for segment in answer.all("MSA")] == ["AA", "AA"]
    assert answer.get("BTS-1") == "2"


PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40


def document(control: str, patient: str, content: str) -> str:
    return oru(control, patient, 0) + f"OBX|1|ED|11502-2^Report^LN||LAB^AP^PDF^Base64^{content}||||||F\r"


def test_a_pdf_keeps_its_digest(hospital: Hospital):
    answer = hospital.ask(document("pdf-1", "M10", base64.b64encode(PDF).decode()))
    assert answer.get("MSA-1") == "AA"
    (row,) = hospital.messages(text="pdf-1")
    links = hospital.http.get(f"/hl7/messages/{row['id']}").json()["links"]
    (binary,) = [link for link in links if link.startswith("Binary/")]
    content = hospital.http.get(f"/fhir/{binary.split('/_history')[0]}", headers={"accept": "application/pdf"}).content
    assert hashlib.sha256(content).digest() == hashlib.sha256(PDF).digest()


def test_broken_base64(hospital: Hospital):
    answer = hospital.ask(document("pdf-2", "M11", "this is % no base64"))
    assert answer.get("MSA-1") == "AE"
    assert answer.get("ERR-2.1") == "OBX"


def test_null_removes_and_empty_keeps(hospital: Hospital):
    address = "|||SPRING ST 1^^GRINNELL||555-1234"
    assert hospital.ask(adt("A01", "null-1", "M12", pid="19700101|F" + address)).get("MSA-1") == "AA"
    before = token(hospital, "M12")
    assert before["birthDate"] == "1970-01-01" and before["address"]
    assert hospital.ask(adt("A08", "null-2", "M12", pid='""|F')).get("MSA-1") == "AA"
    after = token(hospital, "M12")
    assert "birthDate" not in after
    assert after["address"] == before["address"]


def merge(control: str, survivor: str, loser: str) -> str:
    return adt("A40", control, survivor, f"MRG|{loser}^^^HOSP^MR\r")


@pytest.mark.parametrize("known", [True, False])
def test_a_merge_and_then_a_result_for_the_old_number(hospital: Hospital, known: bool):
    survivor, loser = f"M13{known}", f"M14{known}"
    assert hospital.ask(adt("A01", f"merge-1-{known}", survivor)).get("MSA-1") == "AA"
    if known:
        assert hospital.ask(oru(f"merge-2-{known}", loser, 1)).get("MSA-1") == "AA"
    assert hospital.ask(merge(f"merge-3-{known}", survivor, loser)).get("MSA-1") == "AA"
    assert hospital.ask(oru(f"merge-4-{known}", loser, 2)).get("MSA-1") == "AA"
    kept = token(hospital, survivor)
    results = hospital.found(f"Observation?subject=Patient/{kept['id']}")
    assert len(results) == (3 if known else 2)
    if known:
        (old,) = [each for each in hospital.found(f"Patient?identifier={loser}") if not each.get("active", True)]
        assert old["link"][0]["type"] == "replaced-by"


def test_corrected_stale_and_wrong_results(hospital: Hospital):
    def send(control: str, value: str, status: str, minute: int) -> None:
        sent = f"202609011200{minute:02}+0000"
        text = oru(control, "M15", [("718-7", value)], filler="result-1", status=status, sent=sent)
        assert hospital.ask(text).get("MSA-1") == "AA"

    def result() -> dict:
        (found,) = hospital.found("Observation?patient.identifier=M15")
        return found

    send("result-1", "7.1", "P", 10)
    first = result()
    send("result-2", "7.2", "F", 20)
    final = result()
    assert (first["status"], final["status"], final["id"]) == ("preliminary", "final", first["id"])
    send("result-3", "7.3", "C", 30)
    assert (result()["status"], result()["valueQuantity"]["value"]) == ("corrected", 7.3)
    send("result-4", "6.6", "P", 5)
    assert result()["valueQuantity"]["value"] == 7.3
    send("result-5", "7.3", "W", 40)
    assert result()["status"] == "entered-in-error"


def test_an_order_that_is_cancelled(hospital: Hospital):
    def order(control: str, what: str, minute: int) -> str:
        return (
            f"MSH|^~\\&|CPOE|HOSP|HMS|HOSP|202609011200{minute:02}+0000||OML^O21^OML_O21|{control}|P|2.5.1\r"
            "PID|1||M16^^^HOSP^MR||DOE^JANE||19700101|F\r"
            f"ORC|{what}|PL16^CPOE\rOBR|1|PL16^CPOE||58410-2^CBC^LN\r"
        )

    assert hospital.ask(order("order-1", "NW", 10)).get("MSA-1") == "AA"
    assert hospital.ask(order("order-2", "CA", 20)).get("MSA-1") == "AA"
    (found,) = hospital.found("ServiceRequest?patient.identifier=M16")
    assert found["status"] == "revoked"


def test_a_result_for_an_unknown_patient_waits_for_the_adt(hospital: Hospital):
    assert hospital.ask(oru("wait-1", "M17", 1, sender="WAITING")).get("MSA-1") == "AA"
    assert hospital.messages(text="wait-1")[0]["state"] == "waiting"
    assert hospital.found("Patient?identifier=M17") == []
    assert hospital.ask(adt("A01", "wait-2", "M17")).get("MSA-1") == "AA"
    hospital.until(lambda: hospital.messages(text="wait-1")[0]["state"] == "done")
    assert len(hospital.found("Observation?patient.identifier=M17")) == 1


def test_one_number_of_two_authorities_is_two_patients(hospital: Hospital):
    for authority in ("NORTH", "SOUTH"):
        assert hospital.ask(oru(f"two-{authority}", "M18", 1, authority=authority)).get("MSA-1") == "AA"
    assert len(hospital.found("Patient?identifier=M18")) == 2


def test_a_failed_message_is_corrected_and_replayed(hospital: Hospital):
    assert hospital.ask(adt("Z99", "mend-1", "M19")).get("MSA-1") == "AR"
    (row,) = hospital.messages(text="mend-1")
    mended = hospital.http.post(f"/hl7/messages/{row['id']}/correct", content=adt("A01", "mend-1", "M19").encode())
    assert mended.status_code == 202
    hospital.until(lambda: hospital.messages(text="mend-1")[0]["state"] == "done")
    assert token(hospital, "M19")


def test_a_strict_listener_refuses_what_breaks_the_standard(hospital: Hospital):
    broken = oru("strict-1", "M20", 1).replace("OBR|", "XYZ|")
    assert hospital.ask(broken, "strict").get("MSA-1") == "AE"


def test_an_upload(hospital: Hospital):
    answer = hospital.http.post("/hl7/upload", content=oru("upload-1", "M21", 1))
    assert answer.status_code == 200 and b"MSA|AA|upload-1" in answer.content

"""Queries over a socket: candidates (QBP^Q22), other numbers (Q23), vaccinations (Q11), and feeds of PIX (ITI-8)."""

from __future__ import annotations

import pytest

from interfaces.hl7v2 import er7
from tests.system.hl7v2.conftest import Hospital, adt, oru, token


def ask(hospital: Hospital, event: str, control: str, definition: str, *more: str) -> er7.Message:
    head = f"MSH|^~\\&|EHR|CLINIC|HMS|HOSP|20260901120000+0000||QBP^{event}^QBP_Q21|{control}|P|2.5"
    return hospital.ask("\r".join([head, f"QPD|{definition}", *more, ""]))


@pytest.fixture(scope="module")
def people(hospital: Hospital) -> Hospital:
    """Patients as ADT feeds bring them (ITI-8): Q1 has a number of another authority too."""
    for number, name, born in (("Q1", "QUERIED^JANE", "19700131"), ("Q2", "QUERIED^JOAN", "19800101")):
        other = f"~X{number}^^^OTHER^MR" if number == "Q1" else ""
        feed = adt("A04", f"feed-{number}", number, name=name, pid=f"{born}|F")
        answer = hospital.ask(feed.replace("^^^HOSP^MR", f"^^^HOSP^MR{other}"))
        assert answer.get("MSA-1") == "AA"
    vaccination = (
        "MSH|^~\\&|REG|HOSP|HMS|HOSP|20260901120000+0000||VXU^V04^VXU_V04|feed-vaccine|P|2.5.1\r"
        "PID|1||Q1^^^HOSP^MR||QUERIED^JANE||19700131|F\rORC|RE||V1^REG\r"
        "RXA|0|1|20240102||115^Tdap^CVX|0.5|mL||00^New^NIP001\r"
    )
    assert hospital.ask(vaccination).get("MSA-1") == "AA"
    return hospital


def test_candidates_by_name_and_birth_date(people: Hospital):
    """ITI-21."""
    found = ask(people, "Q22", "pdq-1", "IHE PDQ Query|T1|@PID.5.1^QUER*~@PID.7^19700131", "RCP|I|10^RD")
    assert (found.type, found.event, found.get("MSA-1"), found.get("MSA-2")) == ("RSP", "K22", "AA", "pdq-1")
    assert (found.get("QAK-1"), found.get("QAK-2")) == ("T1", "OK")
    assert [one.value(5, 1, 2) for one in found.all("PID")] == ["JANE"]


def test_candidates_in_pages(people: Hospital):
    first = ask(people, "Q22", "pdq-2", "IHE PDQ Query|T1|@PID.5.1^QUERIED", "RCP|I|1^RD")
    second = ask(people, "Q22", "pdq-3", "IHE PDQ Query|T1|@PID.5.1^QUERIED", "RCP|I|1^RD", f"DSC|{first.get('DSC-1')}")
    names = [found.get("PID-5.2") for found in (first, second)]
    assert sorted(names) == ["JANE", "JOAN"]
    assert second.get("DSC-1") == ""


def test_no_candidate(people: Hospital):
    found = ask(people, "Q22", "pdq-4", "IHE PDQ Query|T1|@PID.5.1^NOBODY")
    assert (found.get("MSA-1"), found.get("QAK-2")) == ("AA", "NF")


def test_other_numbers_of_a_patient(people: Hospital):
    """ITI-9."""
    found = ask(people, "Q23", "pix-1", "IHE PIX Query|T2|Q1^^^HOSP")
    assert (found.event, found.get("QAK-2"), found.get("PID-3"), found.get("PID-3.4")) == ("K23", "OK", "XQ1", "OTHER")


@pytest.mark.parametrize(
    ("definition", "place"), [("IHE PIX Query|T2|NONE^^^HOSP", "3"), ("IHE PIX Query|T2|Q1^^^HOSP|^^^NOWHERE", "4")]
)
def test_numbers_and_domains_that_are_not_known(people: Hospital, definition: str, place: str):
    found = ask(people, "Q23", f"pix-2-{place}", definition)
    assert (found.get("MSA-1"), found.get("QAK-2"), found.get("ERR-2.3")) == ("AE", "AE", place)


def test_a_merge_moves_the_numbers(people: Hospital):
    """ITI-8 with A40, then ITI-9: the number of the patient that was merged finds the survivor's."""
    people.ask(adt("A04", "feed-Q3", "Q3", name="MERGED^ANN"))
    people.ask(adt("A04", "feed-Q4", "Q4", name="MERGED^ANN").replace("^^^HOSP^MR", "^^^HOSP^MR~XQ4^^^OTHER^MR"))
    assert people.ask(adt("A40", "merge-Q3", "Q4", "MRG|Q3^^^HOSP^MR\r")).get("MSA-1") == "AA"
    assert not token(people, "Q3").get("active", True)
    found = ask(people, "Q23", "pix-3", "IHE PIX Query|T2|Q3^^^HOSP|^^^OTHER")
    assert (found.get("QAK-2"), found.get("PID-3")) == ("OK", "XQ4")


def test_the_vaccinations_of_a_patient(people: Hospital):
    found = ask(people, "Q11", "vaccines-1", "Z44^Request^CDCPHINVS|T3|Q1^^^HOSP")
    assert (found.event, found.get("QAK-2"), found.get("RXA-5")) == ("K11", "OK", "115")


def test_a_query_that_asks_nothing(people: Hospital):
    found = ask(people, "Q22", "pdq-5", "IHE PDQ Query|T1|")
    assert (found.get("MSA-1"), found.get("ERR-2.1")) == ("AE", "QPD")


def test_an_order_and_its_results_as_lab_1_and_lab_3(people: Hospital):
    """LAB-1 (OML^O21, placer to filler) and LAB-3 (ORU^R01, filler to placer's ward)."""
    order = (
        "MSH|^~\\&|OP|HOSP|OF|HOSP|20260901120000+0000||OML^O21^OML_O21|lab1-1|P|2.5.1||||||UNICODE UTF-8\r"
        "PID|1||Q2^^^HOSP^MR||QUERIED^JOAN||19800101|F\rPV1|1|O\r"
        "ORC|NW|L1^OP|||||||20260901115900+0000|||D1^DOC^DORA^^^^^^HOSP\rTQ1|1||||||20260901120000+0000||R^^HL70485\r"
        "OBR|1|L1^OP||718-7^Hemoglobin^LN\rSPM|1|S1&OP||BLD^Blood^HL70487\r"
    )
    assert people.ask(order).get("MSA-1") == "AA"
    (request,) = people.found("ServiceRequest?identifier=L1")
    assert (request["status"], request["intent"]) == ("active", "order")
    result = oru("lab3-1", "Q2", [("718-7", "13.1")], name="QUERIED^JOAN").replace("Plab3-1^LIS", "L1^OP")
    assert people.ask(result).get("MSA-1") == "AA"
    (report,) = people.found("DiagnosticReport?identifier=Flab3-1")
    assert report["basedOn"] == [{"reference": f"ServiceRequest/{request['id']}"}]
    assert len(report["result"]) == 1

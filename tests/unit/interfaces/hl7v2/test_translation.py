"""What messages do to a store: each test sends messages through the engine to a real server."""

from __future__ import annotations

import base64

import pytest

from fhir_server.api import Request
from fhir_server.codec import json
from interfaces.hl7v2.er7 import parse
from interfaces.hl7v2.reading import ClientReader
from mappings.hl7v2.translating import translate

pytestmark = pytest.mark.anyio


class Hospital:
    """Sends messages and asks what came of them."""

    def __init__(self, server) -> None:
        self.server = server
        self.reader = ClientReader(server)

    async def send(
        self,
        kind: str,
        *segments: str,
        sent: str = "20240102120000+0000",
        control: str = "1",
        facility: str = "HOSP",
    ):
        head = f"MSH|^~\\&|APP|{facility}|HMS|HOSP|{sent}||{kind}|{control}|P|2.5.1||||||UNICODE UTF-8"
        made = await translate(
            parse("\r".join([head, *segments, ""]).encode(errors="surrogateescape")), None, self.reader
        )
        if made.bundle:
            body = json.serialize(made.bundle)
            request = Request("POST", (), resource=json.parse(body), body=body, content_type="application/fhir+json")
            await self.server.perform(request)
        return made

    async def all(self, type_name: str, **query: str):
        return await self.reader.search(type_name, list(query.items()))

    async def one(self, type_name: str, **query: str):
        found = await self.all(type_name, **query)
        assert len(found) == 1, found
        return found[0]


@pytest.fixture
async def hospital(fhir):
    return Hospital(fhir.server)


def pid(number: str = "100^^^A", rest: str = "|DOE^JANE||19700101|F|||1 Main^^Town||555-1|555-2") -> str:
    return f"PID|1||{number}|{rest}"


def result(value: str = "13.0", status: str = "F", report: str = "F", number: str = "F1^LAB", kind: str = "NM"):
    return (
        "ORC|RE|P1^HIS|" + number,
        f"OBR|1|P1^HIS|{number}|24317-0^Hemogram^LN|||20240102" + "|" * 18 + report,
        f"OBX|1|{kind}|718-7^Hgb^LN||{value}|g/dL^^UCUM|12-16|N|||{status}",
        "OBX|2|NM|4544-3^Hct^LN||40|%||N|||F",
    )


VISIT = "PV1|1|I|W^1^2^HOSP||||7^DOC^DAN^^^^^^A|||||||||||" + "|V1^^^A" + "|" * 25 + "20240101"


async def test_empty_keeps_and_null_removes(hospital):
    await hospital.send("ADT^A04", pid(), VISIT)
    await hospital.send("ADT^A08", 'PID|1||100^^^A||DOE^JANE||""|F|||||""|', sent="20240103")
    patient = await hospital.one("Patient", identifier="100")
    assert "birthDate" not in patient
    assert [one["value"] for one in patient["telecom"]] == ["555-2"]
    assert patient["address"][0]["city"] == "Town"


async def test_an_older_snapshot_changes_nothing(hospital):
    await hospital.send("ADT^A08", pid(), sent="20240103")
    made = await hospital.send("ADT^A08", pid(rest="|OLD^NAME"), sent="20240101")
    assert made.bundle is None
    assert "older" in made.issues[0]
    assert (await hospital.one("Patient", identifier="100"))["name"][0]["family"] == "DOE"


async def test_one_number_of_two_authorities_is_two_patients(hospital):
    await hospital.send("ADT^A04", pid("100^^^A"))
    await hospital.send("ADT^A04", pid("100^^^B", "|OTHER^ONE"), control="2")
    assert len(await hospital.all("Patient", identifier="100")) == 2


async def test_a_second_try_changes_nothing(hospital):
    await hospital.send("ADT^A04", pid(), VISIT, "AL1|1|DA|70618^Penicillin^RXNORM|SV|Rash")
    assert (await hospital.send("ADT^A04", pid(), VISIT, "AL1|1|DA|70618^Penicillin^RXNORM|SV|Rash")).bundle is None


async def test_results_are_corrected_in_place(hospital):
    await hospital.send("ORU^R01", pid(), *result("13.0", "P", "P"))
    first = await hospital.one("Observation", code="http://loinc.org|718-7")
    assert (first["status"], str(first["valueQuantity"]["value"])) == ("preliminary", "13.0")
    await hospital.send("ORU^R01", pid(), *result("14.50", "C", "C"), sent="20240103")
    second = await hospital.one("Observation", code="http://loinc.org|718-7")
    assert (second["id"], second["status"], str(second["valueQuantity"]["value"])) == (
        first["id"],
        "corrected",
        "14.50",
    )
    assert second["meta"]["versionId"] == "2"
    await hospital.send("ORU^R01", pid(), *result("1", "P", "P"), sent="20240101")
    assert (await hospital.one("Observation", code="http://loinc.org|718-7"))["meta"]["versionId"] == "2"
    report = await hospital.one("DiagnosticReport")
    assert (report["status"], len(report["result"])) == ("corrected", 2)


@pytest.mark.parametrize("status", ["D", "W"])
async def test_a_deleted_or_wrong_result_is_entered_in_error(hospital, status):
    await hospital.send("ORU^R01", pid(), *result())
    await hospital.send("ORU^R01", pid(), *result("13.0", status), sent="20240103")
    assert (await hospital.one("Observation", code="http://loinc.org|718-7"))["status"] == "entered-in-error"


async def test_a_value_that_is_no_number_is_kept_as_text(hospital):
    made = await hospital.send("ORU^R01", pid(), *result("see note"))
    assert (await hospital.one("Observation", code="http://loinc.org|718-7"))["valueString"] == "see note g/dL"
    assert made.errors == []


async def test_lines_of_one_text_are_one_result(hospital):
    lines = [f"OBX|{number}|TX|18748-4^Report^LN||line {number}||||||F" for number in (1, 2, 3)]
    await hospital.send("ORU^R01", pid(), "OBR|1||F9^LAB|18748-4^Report^LN" + "|" * 21 + "F", *lines)
    assert (await hospital.one("Observation"))["valueString"] == "line 1\nline 2\nline 3"


async def test_documents_go_to_a_binary_with_the_same_bytes(hospital):
    content = bytes(range(256)) * 8
    data = base64.b64encode(content).decode()
    await hospital.send(
        "ORU^R01", pid(), "OBR|1||F9^LAB|11502-2^Report^LN" + "|" * 21 + "F",
        f"OBX|1|ED|PDF^Report||^application^pdf^Base64^{data}||||||F",
    )  # fmt: skip
    form = (await hospital.one("DiagnosticReport"))["presentedForm"][0]
    binary = await hospital.reader.read(form["url"])
    assert binary and base64.b64decode(binary["data"]) == content
    assert (form["contentType"], form["size"]) == ("application/pdf", 2048)


async def test_broken_base64_is_an_error_of_the_message(hospital):
    made = await hospital.send(
        "ORU^R01", pid(), "OBR|1||F9^LAB|11502-2^Report^LN" + "|" * 21 + "F",
        "OBX|1|ED|PDF^Report||^application^pdf^Base64^@@@||||||F",
    )  # fmt: skip
    assert "is not Base64" in made.errors[0]


async def test_a_merge_moves_what_referred_to_the_loser(hospital):
    await hospital.send("ADT^A04", pid("100^^^A"), control="1")
    await hospital.send("ADT^A04", pid("200^^^A"), VISIT, control="2")
    await hospital.send("ORU^R01", pid("200^^^A"), *result(), control="3")
    await hospital.send("ADT^A40^ADT_A39", "EVN|A40|20240104", pid("100^^^A"), "MRG|200^^^A", sent="20240104")
    survivor = await hospital.one("Patient", identifier="100")
    loser = await hospital.one("Patient", identifier="200")
    assert loser["active"] is False
    assert loser["link"] == [{"other": {"reference": f"Patient/{survivor['id']}"}, "type": "replaced-by"}]
    subject = {"reference": f"Patient/{survivor['id']}"}
    for name in ("Encounter", "DiagnosticReport"):
        assert (await hospital.one(name))["subject"] == subject
    assert all(one["subject"] == subject for one in await hospital.all("Observation"))


async def test_later_traffic_for_the_old_number_finds_the_survivor(hospital):
    await hospital.send("ADT^A04", pid("100^^^A"))
    await hospital.send("ADT^A40^ADT_A39", "EVN|A40|20240104", pid("100^^^A"), "MRG|300^^^A", sent="20240104")
    assert (await hospital.one("Patient", identifier="300"))["active"] is False
    await hospital.send("ORU^R01", pid("300^^^A"), *result(), sent="20240105")
    survivor = await hospital.one("Patient", identifier="100")
    assert (await hospital.one("DiagnosticReport"))["subject"]["reference"] == f"Patient/{survivor['id']}"
    assert (
        await hospital.send("ADT^A40^ADT_A39", "EVN|A40", pid("100^^^A"), "MRG|300^^^A", sent="20240106")
    ).bundle is None


async def test_a_visit_moves_to_another_patient(hospital):
    await hospital.send("ADT^A04", pid("100^^^A"))
    await hospital.send("ADT^A04", pid("200^^^A"), VISIT)
    await hospital.send("ADT^A45", "EVN|A45|20240104", pid("100^^^A"), "MRG|200^^^A||||V1^^^A", sent="20240104")
    survivor = await hospital.one("Patient", identifier="100")
    assert (await hospital.one("Encounter"))["subject"]["reference"] == f"Patient/{survivor['id']}"


async def test_a_patient_gets_another_number(hospital):
    await hospital.send("ADT^A04", pid("100^^^A"))
    await hospital.send("ADT^A47^ADT_A30", "EVN|A47|20240104", pid("101^^^A"), "MRG|100^^^A", sent="20240104")
    patient = await hospital.one("Patient", identifier="101")
    assert patient["id"] == (await hospital.one("Patient", identifier="100"))["id"]


@pytest.mark.parametrize(
    ("event", "status"),
    [("A01", "in-progress"), ("A03", "finished"), ("A05", "planned"), ("A11", "cancelled"), ("A13", "in-progress"),
     ("A21", "onleave"), ("A22", "in-progress"), ("A23", "entered-in-error"), ("A27", "cancelled"),
     ("A38", "cancelled")],
)  # fmt: skip
async def test_events_tell_the_status_of_a_visit(hospital, event, status):
    await hospital.send(f"ADT^{event}", f"EVN|{event}|20240102", pid(), VISIT)
    assert (await hospital.one("Encounter"))["status"] == status


async def test_a_transfer_completes_the_place_before(hospital):
    await hospital.send("ADT^A01", pid(), VISIT)
    await hospital.send("ADT^A02", pid(), VISIT.replace("W^1^2", "X^9^9"), sent="20240103")
    statuses = [one["status"] for one in (await hospital.one("Encounter"))["location"]]
    assert statuses == ["completed", "active"]


async def test_a_deleted_person_is_inactive(hospital):
    await hospital.send("ADT^A28", pid())
    await hospital.send("ADT^A29", pid(), sent="20240103")
    assert (await hospital.one("Patient", identifier="100"))["active"] is False


@pytest.mark.parametrize(
    ("control", "status"), [("NW", "active"), ("CA", "revoked"), ("DC", "revoked"), ("HD", "on-hold")]
)
async def test_an_order_is_placed_and_cancelled(hospital, control, status):
    order = "OBR|1|P7^HIS||24317-0^Hemogram^LN"
    await hospital.send("ORM^O01", pid(), "ORC|NW|P7^HIS", order)
    await hospital.send("ORM^O01", pid(), f"ORC|{control}|P7^HIS", order, sent="20240103")
    assert (await hospital.one("ServiceRequest"))["status"] == status


async def test_the_report_of_a_known_order_refers_to_it(hospital):
    await hospital.send("OML^O21", pid(), "ORC|NW|P1^HIS", "OBR|1|P1^HIS||24317-0^Hemogram^LN")
    order = await hospital.one("ServiceRequest")
    await hospital.send("ORU^R01", pid(), *result(), sent="20240103")
    assert (await hospital.one("DiagnosticReport"))["basedOn"][0]["reference"] == f"ServiceRequest/{order['id']}"


@pytest.mark.parametrize(
    ("event", "status"),
    [("S12", "booked"), ("S14", "booked"), ("S15", "cancelled"), ("S17", "entered-in-error"), ("S26", "noshow")],
)
async def test_appointments_follow_their_events(hospital, event, status):
    schedule = "SCH|A1^HIS|B1^SCH|||||||30|MIN|^^30^20240301100000+0000^20240301103000+0000"
    await hospital.send("SIU^S12", schedule, pid(), "AIP|1||7^DOC^DAN^^^^^^A")
    await hospital.send(f"SIU^{event}", schedule, pid(), "AIP|1||7^DOC^DAN^^^^^^A", sent="20240103")
    appointment = await hospital.one("Appointment")
    assert appointment["status"] == status
    assert len(appointment["participant"]) == 2


async def test_medicines_are_ordered_dispensed_and_given(hospital):
    await hospital.send(
        "RDE^O11", pid(), "ORC|NW|P3^HIS", "RXE|^^^20240101|1049630^Diphenhydramine^RXNORM|25||mg^^UCUM|||||20|tab"
    )
    request = await hospital.one("MedicationRequest")
    assert request["medicationCodeableConcept"]["coding"][0]["code"] == "1049630"
    await hospital.send(
        "RDS^O13", pid(), "ORC|RE|P3^HIS|F3^PH", "RXD|1|1049630^Diphenhydramine^RXNORM|20240102|20|tab||RX7"
    )
    await hospital.send(
        "RAS^O17", pid(), "ORC|RE|P3^HIS|F4^WARD",
        "RXA|0|1|20240102100000+0000||1049630^Diphenhydramine^RXNORM|25|mg^^UCUM" + "|" * 13 + "CP",
    )  # fmt: skip
    assert (await hospital.one("MedicationDispense"))["quantity"]["value"] == 20
    assert (await hospital.one("MedicationAdministration"))["status"] == "completed"


async def test_a_document_is_cancelled(hospital):
    text = "OBX|1|TX|18842-5^Discharge summary^LN||All well.||||||F"
    document = "TXA|1|DS|TX|20240102" + "|" * 8 + "D1^HIS|||||AU||AV"
    await hospital.send("MDM^T02", pid(), VISIT, document, text)
    assert (await hospital.one("DocumentReference"))["status"] == "current"
    await hospital.send("MDM^T11", pid(), VISIT, document, sent="20240103")
    assert (await hospital.one("DocumentReference"))["status"] == "entered-in-error"


async def test_provenance_links_every_resource_to_its_message(hospital):
    made = await hospital.send("ADT^A04", "EVN|A04|20240102", pid(), VISIT, control="77")
    provenance = await hospital.one("Provenance")
    assert provenance["entity"][0]["what"]["identifier"]["value"] == "77"
    assert len(provenance["target"]) == len(made.bundle["entry"]) - 1


async def test_an_account_moves_to_another_patient(hospital):
    await hospital.send("ADT^A04", pid("100^^^A"))
    await hospital.send("ADT^A04", pid("200^^^A", "|DOE^JANE" + "|" * 13 + "AC1^^^A"), VISIT)
    account = await hospital.one("Account")
    assert account["identifier"][0]["value"] == "AC1"
    await hospital.send("ADT^A44^ADT_A43", "EVN|A44|20240104", pid("100^^^A"), "MRG|200^^^A||AC1^^^A", sent="20240104")
    survivor = await hospital.one("Patient", identifier="100")
    assert (await hospital.one("Account"))["subject"] == [{"reference": f"Patient/{survivor['id']}"}]


async def test_a34_merges_as_a40_does(hospital):
    await hospital.send("ADT^A04", pid("100^^^A"))
    await hospital.send("ADT^A04", pid("200^^^A"))
    await hospital.send("ADT^A34^ADT_A30", "EVN|A34|20240104", pid("100^^^A"), "MRG|200^^^A", sent="20240104")
    assert (await hospital.one("Patient", identifier="200"))["link"][0]["type"] == "replaced-by"


def culture(service: str, organism: str, status: str = "F", placer: str = "P1") -> tuple[str, str]:
    """The report of a culture; the laboratory numbers all orders of an accession ACC."""
    return (
        f"OBR|1|{placer}|ACC^LAB|{service}^Culture^L|||202401010800" + "|" * 18 + status,
        f"OBX|1|ST|ORG^Organism^L|1|{organism}||||||{status}",
    )


async def test_results_of_two_orders_of_one_accession_are_two(hospital):
    await hospital.send("ORU^R01", pid(), *culture("AER", "S aureus", "P"), *culture("ANA", "none", "P", "P2"))
    await hospital.send("ORU^R01", pid(), *culture("ANA", "B fragilis", "F", "P2"), control="2", sent="20240103")
    await hospital.send("ORU^R01", pid(), *culture("FUN", "C albicans", "F", "P3"), control="3", sent="20240104")
    found = {one["code"]["coding"][0]["code"]: one["result"] for one in await hospital.all("DiagnosticReport")}
    read = {name: (await hospital.reader.read(results[0]["reference"])) for name, results in found.items()}
    assert [len(results) for results in found.values()] == [1, 1, 1]
    assert {name: (one["status"], one["valueString"]) for name, one in read.items()} == {
        "AER": ("preliminary", "S aureus"),
        "ANA": ("final", "B fragilis"),
        "FUN": ("final", "C albicans"),
    }


async def test_a_result_that_was_kept_without_its_service_is_corrected(hospital):
    await hospital.send("ORU^R01", pid(), *culture("AER", "S aureus", "P"))
    kept = await hospital.one("Observation")
    older = {**kept, "identifier": [one for one in kept["identifier"] if "/AER/" not in one["value"]]}
    await hospital.server.perform(Request("PUT", ("Observation", kept["id"]), resource=older))
    await hospital.send("ORU^R01", pid(), *culture("AER", "S epidermidis", "C"), control="2", sent="20240103")
    now = await hospital.one("Observation")
    assert (now["id"], now["status"], now["valueString"]) == (kept["id"], "corrected", "S epidermidis")
    assert any("/AER/" in one["value"] for one in now["identifier"])


async def test_a_susceptibility_is_of_the_organism_of_its_order_in_an_accession(hospital):
    named = "OBR|1|P9|ACC^LAB|SUS^Susceptibility^L|||202401010800" + "|" * 18 + "F|ORG^1|||{}^ACC&LAB"
    for placer, culture_of in (("P1", "AER"), ("P2", "ANA")):
        await hospital.send("ORU^R01", pid(), *culture("AER", "S aureus"), *culture("ANA", "B fragilis", "F", "P2"),
                            named.format(placer), f"OBX|1|ST|{placer}^Ampicillin^L|1|R||||||F",
                            control=placer, sent=f"2024010{placer[1]}")  # fmt: skip
        result = await hospital.one("Observation", code=placer)
        organism = await hospital.reader.read(result["derivedFrom"][0]["reference"])
        assert f"/{culture_of}/" in organism["identifier"][0]["value"]


@pytest.mark.parametrize(
    ("kind", "written", "kept"),
    [
        ("TX", "Smith & Jones, T<38 ^ stable", "Smith & Jones, T<38 ^ stable"),
        ("ST", "A & B^^", "A & B"),
        ("", "x^y", "x^y"),
        ("TX", "one~two & three~~four", "one\ntwo & three\n\nfour"),
        ("FT", "a\\.br\\b~c\\T\\d", "a\nb\nc&d"),
        ("XPN", "Doe^J~Roe^K", "Doe J\nRoe K"),
    ],
)
async def test_a_text_is_kept_whole(hospital, kind, written, kept):
    await hospital.send("ORU^R01", pid(), "OBR|1||F1|A^a^L|||20240101" + "|" * 18 + "F",
                        f"OBX|1|{kind}|B^b^L||{written}||||||F", "NTE|1||Call Dr. X & Y^Z~again")  # fmt: skip
    found = await hospital.one("Observation")
    assert (found["valueString"], "component" in found) == (kept, False)
    assert "Call Dr. X & Y^Z" in found["note"][0]["text"]


async def test_several_values_of_a_string_are_several(hospital):
    await hospital.send("ORU^R01", pid(), "OBR|1||F1|A^a^L|||20240101", "OBX|1|ST|B^b^L||a & b~c||||||F")
    assert [one["valueString"] for one in (await hospital.one("Observation"))["component"]] == ["a & b", "c"]


async def test_a_vaccine_that_is_given_after_all_has_no_reason_why_not(hospital):
    given = "RXA|0|1|20240101|20240101|08^HepB^CVX|999||||||||||||{}||{}"
    await hospital.send("VXU^V04", pid(), "ORC|RE|9^H|8^H", given.format("00^Parental^NIP002", "RE"))
    refused = await hospital.one("Immunization")
    assert (refused["status"], refused["statusReason"]["coding"][0]["code"]) == ("not-done", "00")
    await hospital.send("VXU^V04", pid(), "ORC|RE|9^H|8^H", given.format("", "CP"), sent="20240103")
    done = await hospital.one("Immunization")
    assert (done["status"], "statusReason" in done) == ("completed", False)

"""Queries answered: PDQ, PIX and immunization history; PIXm and $match on the same index."""

from __future__ import annotations

import pytest

from interfaces.hl7v2.configuration import Interfaces, Sender
from interfaces.hl7v2.engine import Engine
from interfaces.hl7v2.er7 import parse
from interfaces.hl7v2.header import read_header

pytestmark = pytest.mark.anyio

PEOPLE = [
    {"id": "p1", "identifier": [("urn:oid:1.2", "100"), ("urn:x-hl7v2:authority:B", "B7")], "family": "Müller",
     "given": "Jane"},
    {"id": "p2", "identifier": [("urn:oid:1.2", "101")], "family": "Muller", "given": "Joan"},
    {"id": "p3", "identifier": [("urn:oid:1.2", "102")], "family": "Smith", "given": "Al"},
]  # fmt: skip


@pytest.fixture
async def asked(fhir):
    for person in PEOPLE:
        body = {
            "resourceType": "Patient", "id": person["id"], "birthDate": "1970-01-31", "gender": "female",
            "name": [{"family": person["family"], "given": [person["given"]]}],
            "identifier": [{"system": system, "value": value} for system, value in person["identifier"]],
        }  # fmt: skip
        assert (await fhir.put(f"Patient/{person['id']}", body)).status_code == 201
    vaccination = {
        "resourceType": "Immunization", "id": "i1", "status": "completed", "patient": {"reference": "Patient/p1"},
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "115"}]},
        "occurrenceDateTime": "2024-01-02",
    }  # fmt: skip
    assert (await fhir.put("Immunization/i1", vaccination)).status_code == 201
    engine = Engine(Interfaces(application="HMS", facility="HOSP"), fhir.server, lambda: 1_790_000_000_000_000)

    async def ask(event: str, definition: str, *more: str):
        raw = "\r".join([f"MSH|^~\\&|EHR|CLINIC|HMS|HOSP|2024||QBP^{event}|Q1|P|2.5", f"QPD|{definition}", *more, ""])
        header = read_header(raw.encode())
        assert header
        return parse((await engine.translate(raw.encode(), header, Sender(), False)).answer)

    return ask


async def test_candidates_by_name(asked):
    response = await asked("Q22", "IHE PDQ Query|T1|@PID.5.1^MUL*~@PID.7^19700131", "RCP|I|10^RD")
    assert (response.type, response.event, response.get("MSA-1"), response.get("MSA-2")) == ("RSP", "K22", "AA", "Q1")
    assert (response.get("QAK-1"), response.get("QAK-2")) == ("T1", "OK")
    assert {one.value(5) for one in response.all("PID")} == {"Müller", "Muller"}


async def test_candidates_in_pages(asked):
    first = await asked("Q22", "IHE PDQ Query|T1|@PID.8^F", "RCP|I|2^RD")
    assert (len(first.all("PID")), first.get("DSC-1")) == (2, "2")
    second = await asked("Q22", "IHE PDQ Query|T1|@PID.8^F", "RCP|I|2^RD", "DSC|2")
    assert (len(second.all("PID")), second.get("DSC-1")) == (1, "")


async def test_no_candidate_is_no_error(asked):
    response = await asked("Q22", "IHE PDQ Query|T1|@PID.5.1^NOBODY")
    assert (response.get("MSA-1"), response.get("QAK-2"), response.all("PID")) == ("AA", "NF", [])


@pytest.mark.parametrize("definition", ["IHE PDQ Query|T1|", "IHE PDQ Query|T1|@OBX.5^x", "IHE PDQ Query|T1|@PID.5.1^"])
async def test_a_query_that_asks_nothing_is_an_error(asked, definition):
    response = await asked("Q22", definition)
    assert (response.get("MSA-1"), response.get("QAK-2"), response.get("ERR-2")) == ("AE", "AE", "QPD")


async def test_other_numbers_of_a_patient(asked):
    response = await asked("Q23", "IHE PIX Query|T2|100^^^&1.2&ISO")
    assert (response.get("QAK-2"), response.get("PID-3"), response.get("PID-3.4")) == ("OK", "B7", "B")


async def test_other_numbers_in_one_domain(asked):
    response = await asked("Q23", "IHE PIX Query|T2|B7^^^B|^^^&1.2&ISO")
    assert (response.get("PID-3"), response.get("PID-3.4.2")) == ("100", "1.2")


@pytest.mark.parametrize(
    ("definition", "status", "place"),
    [("IHE PIX Query|T2|999^^^B", "AE", "3"), ("IHE PIX Query|T2|B7^^^B|^^^NOWHERE", "AE", "4"),
     ("IHE PIX Query|T2|102^^^&1.2&ISO", "NF", "")],
)  # fmt: skip
async def test_numbers_and_domains_that_are_not_known(asked, definition, status, place):
    response = await asked("Q23", definition)
    assert (response.get("QAK-2"), response.get("ERR-2.3")) == (status, place)


async def test_the_vaccinations_of_a_patient(asked):
    response = await asked("Q11", "Z44^Request^CDCPHINVS|T3|100^^^&1.2&ISO")
    assert (response.event, response.get("QAK-2"), response.get("RXA-5"), response.get("RXA-5.3")) == (
        "K11", "OK", "115", "CVX",
    )  # fmt: skip


async def test_the_vaccinations_of_a_patient_by_name(asked):
    response = await asked("Q11", "Z44^Request^CDCPHINVS|T3||MULLER^JANE||19700131")
    assert response.get("RXA-5") == "115"
    assert (await asked("Q11", "Z44^Request^CDCPHINVS|T3||NOBODY^X||19700131")).get("QAK-2") == "NF"


async def test_other_identifiers_over_rest(asked, fhir):
    answer = (await fhir.get("Patient/$ihe-pix?sourceIdentifier=urn:oid:1.2|100")).json()
    assert [one["name"] for one in answer["parameter"]] == ["targetIdentifier", "targetId"]
    assert answer["parameter"][0]["valueIdentifier"]["value"] == "B7"
    assert (await fhir.get("Patient/$ihe-pix?sourceIdentifier=urn:oid:1.2|999")).status_code == 404
    assert (await fhir.get("Patient/$ihe-pix?sourceIdentifier=urn:oid:9|1")).status_code == 400
    assert (await fhir.get("Patient/$ihe-pix?sourceIdentifier=urn:oid:1.2|100&targetSystem=urn:x")).status_code == 403


async def test_candidates_over_rest(asked, fhir):
    def parameters(**patient):
        resource = {"name": "resource", "resource": {"resourceType": "Patient", **patient}}
        return {"resourceType": "Parameters", "parameter": [resource]}

    described = parameters(name=[{"family": "Müller", "given": ["Jane"]}], birthDate="1970-01-31", gender="female")
    bundle = (await fhir.post("Patient/$match", described)).json()
    best, second = bundle["entry"][:2]
    assert (best["resource"]["id"], best["search"]["extension"][0]["valueCode"]) == ("p1", "certain")
    assert second["search"]["score"] < best["search"]["score"]
    assert (await fhir.post("Patient/$match", parameters(gender="female"))).status_code == 400

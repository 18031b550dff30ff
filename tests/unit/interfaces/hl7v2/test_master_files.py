"""Messages about what others name in passing, and about how patients belong together."""

from __future__ import annotations

import pytest

from fhir_server.core.errors import FhirError
from tests.unit.interfaces.hl7v2.test_translation import VISIT, Hospital, hospital, pid

__all__ = ["hospital"]
pytestmark = pytest.mark.anyio

STAFF = "STF|7^DOC^HOSP|7^^^A^EI|DOC^DAN^X||M|19600101|A|||(555)555-0100^WPN^PH|1 Main^^Town||||dan@hospital.example"
PRACTICE = "PRA|7^DOC^HOSP|G1^Heart Group|PHY^Physician^HL70186||Cardiology^ABIM|1234567893^NPI~99^TAX"
FILE = "MFI|STF^Staff^HL70175||UPD|||NE"
PLACES = "MFI|LOC^Locations^HL70175||UPD|||NE"
BED = "W^101^2^HOSP"


async def test_a_bed_has_the_status_that_is_told(hospital: Hospital):
    await hospital.send("ADT^A01", pid(), "PV1|1|I|W^101^2^HOSP")
    before = await hospital.one("Location", name="2")
    await hospital.send("ADT^A20", "EVN||20240102", f"NPU|{BED}|H", sent="20240103")
    bed = await hospital.one("Location", name="2")
    assert bed["operationalStatus"] == {"system": "http://terminology.hl7.org/CodeSystem/v2-0116", "code": "H"}
    assert (bed["id"], bed["partOf"], len(await hospital.all("Location"))) == (before["id"], before["partOf"], 4)
    await hospital.send("ADT^A20", "EVN||20240102", f"NPU|{BED}|U", sent="20240101")
    assert (await hospital.one("Location", name="2"))["operationalStatus"]["code"] == "H"  # it was older
    await hospital.send("ADT^A08", pid(), "PV1|1|I|W^101^2^HOSP", sent="20240104")
    assert (await hospital.one("Location", name="2"))["operationalStatus"]["code"] == "H"


async def test_a_bed_that_is_not_named_is_an_error(hospital: Hospital):
    assert "NPU-1 is required" in (await hospital.send("ADT^A20", "EVN||20240102", "NPU||H")).errors[0]


async def test_staff_are_whom_visits_name(hospital: Hospital):
    await hospital.send("ADT^A01", pid(), VISIT)
    made = await hospital.send("MFN^M02", FILE, "MFE|MUP|||7^DOC^HOSP|CWE", STAFF, PRACTICE, sent="20240103")
    assert made.issues == made.errors == []
    doctor = await hospital.one("Practitioner")
    assert [one["value"] for one in doctor["identifier"]] == ["7", "1234567893", "99"]
    assert doctor["identifier"][1]["system"] == "http://hl7.org/fhir/sid/us-npi"
    assert (doctor["active"], doctor["gender"], doctor["birthDate"]) == (True, "male", "1960-01-01")
    assert [one["system"] for one in doctor["telecom"]] == ["phone", "email"]
    role = await hospital.one("PractitionerRole")
    assert (role["practitioner"]["reference"], role["organization"]["display"], role["specialty"][0]["text"]) == (
        f"Practitioner/{doctor['id']}",
        "Heart Group",
        "Cardiology",
    )
    await hospital.send("MFN^M02", FILE, "MFE|MDC|||7^DOC^HOSP|CWE", STAFF, sent="20240104")
    assert (await hospital.one("Practitioner"))["active"] is False
    again = await hospital.send("ADT^A08", pid(), VISIT, sent="20240105")
    assert (await hospital.one("Practitioner"))["active"] is False and again.errors == []
    await hospital.send("MFN^M02", FILE, "MFE|MAD|||7^DOC^HOSP|CWE", STAFF.replace("|A|", "||"), sent="20240106")
    assert (await hospital.one("Practitioner"))["active"] is True


async def test_a_group_number_makes_nobody_another(hospital: Hospital):
    other = STAFF.replace("7^", "8^").replace("DAN", "EVE")
    await hospital.send("MFN^M02", FILE, "MFE|MAD|||7|CWE", STAFF, PRACTICE, "MFE|MAD|||8|CWE", other,
                        PRACTICE.replace("7^DOC", "8^DOC").replace("1234567893", "1679576722"))  # fmt: skip
    assert {one["name"][0]["given"][0] for one in await hospital.all("Practitioner")} == {"DAN", "EVE"}
    assert len(await hospital.all("PractitionerRole")) == 2


async def test_locations_are_where_visits_are(hospital: Hospital):
    await hospital.send("ADT^A01", pid(), VISIT)
    ward = "LOC|W^^^HOSP|Surgical ward|N|General Hospital|1 Main^^Town|^WPN^PH^^^555^5550100"
    await hospital.send("MFN^M05", PLACES, "MFE|MAD|||W^^^HOSP|PL", ward, sent="20240103")
    found = await hospital.one("Location", name="W")
    assert (found["description"], found["address"]["city"], found["type"][0]["coding"][0]["code"]) == (
        "Surgical ward",
        "Town",
        "N",
    )
    assert len(await hospital.all("Location")) == 4
    made = await hospital.send("MFN^M05", PLACES.replace("UPD", "REP"), "MFE|MDL|||W^^^HOSP|PL", sent="20240104")
    assert (await hospital.one("Location", name="W"))["status"] == "inactive"
    assert "MFI-3" in made.issues[0]
    await hospital.send("MFN^M05", PLACES, "MFE|MAD|||W^^^HOSP|PL", ward, sent="20240105")
    assert (await hospital.one("Location", name="W"))["status"] == "active"


async def test_linked_patients_see_each_other_until_they_are_parted(hospital: Hospital):
    await hospital.send("ADT^A04", pid("100^^^A"), VISIT)
    both = ("EVN||20240103", "PID|1||100^^^A||DOE^JANE", "PV1|1|O", "PID|2||900^^^B||DOE^JANE", "PV1|2|O")
    await hospital.send("ADT^A24", *both, sent="20240103")
    first, second = await hospital.one("Patient", identifier="100"), await hospital.one("Patient", identifier="900")
    assert first["link"] == [{"other": {"reference": f"Patient/{second['id']}"}, "type": "seealso"}]
    assert second["link"] == [{"other": {"reference": f"Patient/{first['id']}"}, "type": "seealso"}]
    assert (await hospital.send("ADT^A24", *both, sent="20240103")).bundle is None
    await hospital.send("ADT^A08", pid("100^^^A", "|ROE^JANE"), sent="20240104")
    assert "link" in await hospital.one("Patient", identifier="100")
    await hospital.send("ADT^A37", *both, sent="20240105")
    assert not any("link" in one for one in await hospital.all("Patient"))


async def test_one_patient_is_not_linked_to_itself(hospital: Hospital):
    with pytest.raises(FhirError, match="two patients"):
        await hospital.send("ADT^A24", pid("100^^^A"), pid("100^^^A"))


async def test_a_leave_that_was_not_taken_is_none(hospital: Hospital):
    await hospital.send("ADT^A21", pid(), VISIT)
    await hospital.send("ADT^A52", pid(), VISIT, sent="20240103")
    assert (await hospital.one("Encounter"))["status"] == "in-progress"
    await hospital.send("ADT^A53", pid(), VISIT, sent="20240104")
    assert (await hospital.one("Encounter"))["status"] == "onleave"

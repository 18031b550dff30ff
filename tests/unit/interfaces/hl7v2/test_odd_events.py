"""Traffic that goes back on what was said, or leaves out what a message needs."""

from __future__ import annotations

import pytest

from fhir_server.core.errors import FhirError
from interfaces.hl7v2.engine import problem_of
from tests.unit.interfaces.hl7v2.test_translation import Hospital, hospital, pid, result

__all__ = ["hospital"]
pytestmark = pytest.mark.anyio
VISIT = "PV1|1|I|{place}^1^1^H" + "|" * 16 + "V1^^^HOSP" + "|" * 25 + "202401021200"


SAYING_NOTHING = ("NK1", "AL1", "DG1", "PR1", "IN1", "GT1")


async def test_a_discharge_ends_the_stay_and_its_cancellation_takes_the_end_back(hospital: Hospital):
    await hospital.send("ADT^A01", pid(), VISIT.format(place="W"))
    await hospital.send("ADT^A03", pid(), VISIT.format(place="W") + "|202401021400", sent="20240102140000+0000")
    gone = await hospital.one("Encounter")
    assert (gone["status"], gone["period"]["end"][:16]) == ("finished", "2024-01-02T14:00")
    assert [one["status"] for one in gone["location"]] == ["completed"]
    await hospital.send("ADT^A13", pid(), VISIT.format(place="W"), sent="20240102150000+0000")
    back = await hospital.one("Encounter")
    assert (back["status"], back["period"]) == ("in-progress", {"start": "2024-01-02T12:00:00+00:00"})
    assert [one["status"] for one in back["location"]] == ["active"]


async def test_a_cancelled_discharge_takes_what_it_said_of_the_discharge_back(hospital: Hospital):
    home = VISIT.replace("|" * 25, "|" * 17 + "01^Home^L|R^Rest^L" + "|" * 7).format(place="W")
    await hospital.send("ADT^A03", pid(), home + "|202401021400")
    assert (await hospital.one("Encounter"))["hospitalization"].keys() == {"dischargeDisposition", "destination"}
    await hospital.send("ADT^A13", pid(), VISIT.format(place="W") + "|202401021400", sent="20240103")
    back = await hospital.one("Encounter")
    assert (back["status"], "end" in back["period"], "hospitalization" in back) == ("in-progress", False, False)


async def test_messages_that_number_no_visit_are_of_one(hospital: Hospital):
    visit = "PV1|1|O|W^1"
    await hospital.send("ADT^A04", pid(), visit)
    await hospital.send("ADT^A08", pid(), visit, control="2", sent="20240103")
    await hospital.send("ORU^R01", pid(), visit, *result(), control="3", sent="20240104")
    await hospital.send("ADT^A03", pid(), visit + "|" * 42 + "202401041200", control="4", sent="20240104120000")
    gone = await hospital.one("Encounter")
    assert (gone["status"], gone["period"].keys()) == ("finished", {"end"})
    await hospital.send("ADT^A04", pid(), visit, control="5", sent="20240105")
    back = await hospital.one("Encounter")
    assert (back["status"], "period" in back) == ("in-progress", False)
    await hospital.send("ADT^A04", pid("200^^^A"), visit, control="6", sent="20240106")
    assert len(await hospital.all("Encounter")) == 2


async def test_a_visit_of_no_class_is_none(hospital: Hospital):
    await hospital.send("ADT^A31", pid(), "PV1|1|N", "DG1|1||J20^B^I10")
    assert not await hospital.all("Encounter") and len(await hospital.all("Condition")) == 1


@pytest.mark.parametrize(
    ("kind", "segments"),
    [("ADT^A08", ()), ("ADT^A31", ()), ("ORU^R01", result()), ("DFT^P03", ("FT1|1|T1||20240102||CG|X^Y^L",))],
)
async def test_who_names_a_visit_that_is_over_does_not_open_it_again(hospital: Hospital, kind: str, segments):
    await hospital.send("ADT^A03", pid(), VISIT.format(place="W") + "|202401021400")
    await hospital.send(kind, pid(), VISIT.format(place="W"), *segments, sent="20240103")
    visit = await hospital.one("Encounter")
    assert (visit["status"], [one["status"] for one in visit["location"]]) == ("finished", ["completed"])


async def test_a_visit_is_opened_again_by_an_admission_or_a_null(hospital: Hospital):
    await hospital.send("ADT^A11", pid(), VISIT.format(place="W"))
    await hospital.send("ADT^A08", pid(), VISIT.format(place="W"), sent="20240103")
    assert (await hospital.one("Encounter"))["status"] == "cancelled"
    await hospital.send("ADT^A04", pid(), VISIT.format(place="W"), sent="20240104")
    assert (await hospital.one("Encounter"))["status"] == "in-progress"
    await hospital.send("ADT^A03", pid(), VISIT.format(place="W") + "|202401021400", sent="20240105")
    await hospital.send("ADT^A08", pid(), VISIT.format(place="W") + '|""', sent="20240106")
    assert (await hospital.one("Encounter"))["status"] == "in-progress"


async def test_what_a_message_leaves_open_is_kept(hospital: Hospital):
    bare = VISIT.format(place="W").replace("|I|", "||")
    await hospital.send("ADT^A01", pid(), VISIT.format(place="W"))
    await hospital.send("ORU^R01", pid(), bare, *result(status="C", report="C"), sent="20240103")
    await hospital.send("ORU^R01", pid(), bare, *result(status="", report=""), sent="20240104")
    visit = await hospital.one("Encounter")
    assert (visit["status"], visit["class"]["code"]) == ("in-progress", "IMP")
    found = await hospital.one("Observation", code="http://loinc.org|718-7")
    assert (found["status"], (await hospital.one("DiagnosticReport"))["status"]) == ("corrected", "corrected")


async def test_another_facility_that_names_a_visit_does_not_provide_it(hospital: Hospital):
    visit, number = VISIT.format(place="W"), {"identifier": "V1"}
    await hospital.send("ADT^A01", pid(), visit)
    await hospital.send("ORU^R01", pid(), visit, *result(), sent="20240103", facility="LAB")
    assert (await hospital.one("Encounter", **number))["serviceProvider"]["identifier"]["value"] == "HOSP"


async def test_a_notice_without_content_keeps_the_document(hospital: Hospital):
    notice = "TXA|1|CN|TX|20240102||||||||D1^DOC|||||{}"
    await hospital.send("MDM^T02", pid(), notice.format("DI"), "OBX|1|TX|CN^Note^L||all well||||||F")
    before = await hospital.one("DocumentReference")
    await hospital.send("MDM^T03", pid(), notice.format("AU"), sent="20240103")
    after = await hospital.one("DocumentReference")
    assert (after["content"], after["docStatus"]) == (before["content"], "final")


async def test_a_null_removes_an_element_inside_another(hospital: Hospital):
    await hospital.send("ADT^A03", pid(), VISIT.format(place="W") + "|202401021400")
    await hospital.send("ADT^A08", pid(), VISIT.format(place="W") + '|""', sent="20240103")
    assert "end" not in (await hospital.one("Encounter"))["period"]


async def test_an_older_message_adds_the_results_that_it_alone_has(hospital: Hospital):
    only = [*result("14", "F"), "OBX|3|NM|1^Extra^L||9||||||P"]
    await hospital.send("ORU^R01", pid(), *only[:3], sent="20240103")
    await hospital.send("ORU^R01", pid(), *[one.replace("|14|", "|13|") for one in only])
    codes = {f"Observation/{one['id']}": one["code"]["coding"][0]["code"] for one in await hospital.all("Observation")}
    report = await hospital.one("DiagnosticReport")
    assert [codes[one["reference"]] for one in report["result"]] == ["718-7", "4544-3", "1"]
    assert (await hospital.one("Observation", code="http://loinc.org|718-7"))["valueQuantity"]["value"] == 14


async def test_kinds_of_names_addresses_and_telephones_without_any_are_none(hospital: Hospital):
    await hospital.send("ADT^A08", "PID|1||100^^^A||DOE^JANE^^^^^L~^^^^^^D||||||^^^^^^H||^PRN^PH~555-1|^WPN^PH")
    patient = await hospital.one("Patient")
    assert ([one["use"] for one in patient["name"]], "address" in patient) == (["official"], False)
    assert [one["value"] for one in patient["telecom"]] == ["555-1"]


async def test_a_document_without_data_is_told(hospital: Hospital):
    made = await hospital.send("ORU^R01", pid(), *result(), "OBX|3|ED|1^D^L||^AP^PDF^JVBERi0=||||||F")
    assert made.issues == ["OBX[3]-5: it has no data (ED.5); nothing is kept of the document."]


async def test_a_range_without_an_end_has_a_beginning_only(hospital: Hospital):
    await hospital.send("ORU^R01", pid(), *result("^5^-", kind="SN"))
    found = await hospital.one("Observation", code="http://loinc.org|718-7")
    assert ("high" in found["valueRange"], found["valueRange"]["low"]["value"]) == (False, 5)


@pytest.mark.parametrize("event", ["A35", "A41", "A42", "A43", "A48", "A49", "A50", "A51"])
@pytest.mark.parametrize("structure", ["ADT_A30", "ADT_A39"])
async def test_merges_of_accounts_and_changes_of_their_numbers_are_refused(
    hospital: Hospital, event: str, structure: str
):
    with pytest.raises(FhirError) as refused:
        await hospital.send(f"ADT^{event}^{structure}", f"EVN|{event}", pid(), "MRG|100^^^A||AC1^^^A||V1^^^A")
    assert refused.value.category == "not-supported"


async def test_who_was_deleted_is_there_again_once_added_or_admitted(hospital: Hospital):
    await hospital.send("ADT^A29", pid())
    assert (await hospital.one("Patient"))["active"] is False
    await hospital.send("ADT^A31", pid(), sent="20240103")
    assert (await hospital.one("Patient"))["active"] is False
    await hospital.send("ADT^A28", pid(), sent="20240104")
    assert (await hospital.one("Patient"))["active"] is True


@pytest.mark.parametrize("event", ["A32", "A33", "A54", "A55", "A61", "A62"])
async def test_changes_of_doctors_and_cancelled_tracking_change_the_visit(hospital: Hospital, event: str):
    await hospital.send("ADT^A01", pid(), VISIT.format(place="W"))
    now = VISIT.format(place="X").replace("^1^1^H||||", "^1^1^H||||9^NEW^NORA^^^^^^A", 1)
    await hospital.send(f"ADT^{event}", f"EVN|{event}", pid(), now, sent="20240103")
    visit = await hospital.one("Encounter")
    assert (visit["status"], len(visit["participant"])) == ("in-progress", 1)
    assert [one["status"] for one in visit["location"]] == ["completed", "active"]


@pytest.mark.parametrize("end", ["|1", '|1|""|""|""', '|1||""', "|1||"])
async def test_segments_that_name_nothing_make_nothing(hospital: Hospital, end: str):
    await hospital.send("ADT^A01", pid(), VISIT.format(place="W"), *(f"{one}{end}" for one in SAYING_NOTHING))
    for type_name in ("AllergyIntolerance", "Condition", "Coverage", "Procedure", "RelatedPerson"):
        assert await hospital.all(type_name) == [], type_name
    assert "diagnosis" not in await hospital.one("Encounter")


async def test_a_segment_that_says_something_of_nothing_is_told(hospital: Hospital):
    made = await hospital.send("ADT^A01", pid(), VISIT.format(place="W"), "AL1|1|DA||SV", 'DG1|1||""')
    assert [issue.partition(":")[0] for issue in made.issues] == ["AL1-3", "DG1-3"]


@pytest.mark.parametrize("segments", [(), ("PID|",), ("PID|1||||DOE^JANE",), ('PID|1||""||DOE^JANE',)])
async def test_an_adt_about_nobody_is_an_error(hospital: Hospital, segments):
    made = await hospital.send("ADT^A08", "EVN|A08", *segments)
    assert len(made.errors) == 1
    assert made.errors[0].startswith("PID")


async def test_a_patient_by_the_numbers_of_old_versions_is_one(hospital: Hospital):
    assert (await hospital.send("ADT^A08", "PID|1|77|||DOE^JANE")).errors == []
    assert (await hospital.one("Patient"))["identifier"][0]["value"] == "77"


async def test_an_allergy_that_is_deleted_was_entered_in_error(hospital: Hospital):
    allergy = "IAM|1|DA|PEN^Penicillin^L|SV|Rash|{action}|AL1"
    await hospital.send("ADT^A60", pid(), allergy.format(action="A"))
    await hospital.send("ADT^A60", pid(), allergy.format(action="D"), sent="20240103")
    found = await hospital.one("AllergyIntolerance")
    assert found["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert "clinicalStatus" not in found


SCHEDULE = "SCH|PA1^HIS|FA1^HIS||||R^Routine^L|C^Checkup^L||30|min|{time}"
RESOURCES = ("RGS|1|A", "AIS|1|A|C^Consult^L|202402011000|||30|min", "AIP|1|A|77^DOC^JANE", "AIL|1|A|R1^1^^CLINIC")


async def test_an_appointment_is_at_the_time_of_its_schedule(hospital: Hospital):
    time = "^^30^202402021000^202402021030"
    await hospital.send("SIU^S12", SCHEDULE.format(time=time), pid(), *RESOURCES)
    found = await hospital.one("Appointment")
    assert (found["start"], found["end"]) == ("2024-02-02T10:00:00+00:00", "2024-02-02T10:30:00+00:00")


async def test_all_patients_of_a_group_come_to_its_appointment(hospital: Hospital):
    schedule = "SCH|A1^SCH|||||X|R^Reason^L|NORMAL|30|MIN|^^30^20240301100000^20240301103000"
    await hospital.send("SIU^S12", schedule, pid(), pid("200^^^A", "|ROE^JOE"))
    actors = [one["actor"]["reference"] for one in (await hospital.one("Appointment"))["participant"]]
    assert sorted(actors) == sorted(f"Patient/{one['id']}" for one in await hospital.all("Patient"))


async def test_of_several_services_the_first_begins_an_appointment(hospital: Hospital):
    later = "AIS|2|A|D^Other^L|202402010930|||30|min"
    await hospital.send("SIU^S12", SCHEDULE.format(time=""), pid(), *RESOURCES[:2], later)
    assert (await hospital.one("Appointment"))["start"] == "2024-02-01T09:30:00+00:00"


async def test_a_change_that_names_no_people_and_places_keeps_those_there_are(hospital: Hospital):
    await hospital.send("SIU^S12", SCHEDULE.format(time=""), pid(), *RESOURCES)
    before = await hospital.one("Appointment")
    await hospital.send("SIU^S14", SCHEDULE.format(time=""), "NTE|1||Bring papers", pid(), "RGS|1", sent="20240103")
    after = await hospital.one("Appointment")
    actors = [sorted(one["actor"]["reference"] for one in each["participant"]) for each in (before, after)]
    assert actors[0] == actors[1]
    assert len(actors[0]) == 3
    assert after["comment"] == "Bring papers"


async def test_another_person_takes_the_place_of_the_one_before(hospital: Hospital):
    await hospital.send("SIU^S12", SCHEDULE.format(time=""), pid(), *RESOURCES)
    await hospital.send(
        "SIU^S13", SCHEDULE.format(time=""), pid(), *RESOURCES[:2], "AIP|1|A|78^OTHER", RESOURCES[3], sent="20240103"
    )
    people = [one["actor"]["reference"] for one in (await hospital.one("Appointment"))["participant"]]
    assert len([one for one in people if one.startswith("Practitioner/")]) == 1


async def test_the_kind_of_referred_content_is_a_media_type(hospital: Hospital):
    pointers = ("http://pacs/1&x^PACS^IM^JPEG", "http://files/2^APP^AP^PDF", "^TEXT^^A^hello")
    lines = [f"OBX|{at}|{'ED' if at == 5 else 'RP'}|{at}^D^LN||{value}||||||F" for at, value in enumerate(pointers, 3)]
    await hospital.send("ORU^R01", pid(), *result(), *lines)
    forms = (await hospital.one("DiagnosticReport"))["presentedForm"]
    assert [one["contentType"] for one in forms] == ["image/jpeg", "application/pdf", "text/plain"]


async def test_bytes_of_another_character_set_are_shown_and_told(hospital: Hospital):
    made = await hospital.send("ADT^A08", "PID|1||100^^^A||M\udcfcLLER")
    assert (await hospital.one("Patient"))["name"][0]["family"] == "M\ufffdLLER"
    assert "not of the message's character set" in made.issues[0]


async def test_a_problem_that_is_deleted_was_entered_in_error(hospital: Hospital):
    problem = "PRB|{action}|20240101|M16.1^Coxarthrosis^I10|PR1^HIS"
    await hospital.send("PPR^PC1^PPR_PC1", pid(), problem.format(action="AD"))
    await hospital.send("PPR^PC3^PPR_PC1", pid(), problem.format(action="DE"), sent="20240103")
    found = await hospital.one("Condition")
    assert found["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert "clinicalStatus" not in found


@pytest.mark.parametrize("event", ["A18", "A30", "A36", "A39", "A40"])
async def test_the_merges_of_older_versions_merge(hospital: Hospital, event: str):
    await hospital.send("ADT^A28", pid("1^^^A"))
    await hospital.send("ADT^A28", pid("2^^^A"))
    await hospital.send(f"ADT^{event}", f"EVN|{event}", pid("1^^^A"), "MRG|2^^^A", sent="20240103")
    loser = await hospital.one("Patient", active="false")
    assert loser["link"][0]["type"] == "replaced-by"


async def test_an_older_change_of_a_number_changes_it(hospital: Hospital):
    await hospital.send("ADT^A28", pid("1^^^A"))
    await hospital.send("ADT^A46", "EVN|A46", pid("2^^^A"), "MRG|1^^^A", sent="20240103")
    assert [one["value"] for one in (await hospital.one("Patient"))["identifier"]] == ["1", "2"]


@pytest.mark.parametrize("event", ["A40", "A44", "A45", "A47"])
async def test_a_merge_or_a_move_without_what_it_moves_is_refused(hospital: Hospital, event: str):
    with pytest.raises(FhirError, match=f"{event} needs an MRG"):
        await hospital.send(f"ADT^{event}", pid("1^^^A"), VISIT.format(place="W"))


@pytest.mark.parametrize(("status", "reason"), [("X", "error"), ("N", "not-asked")])
async def test_a_result_that_can_not_be_had_has_no_value_any_more(hospital: Hospital, status: str, reason: str):
    await hospital.send("ORU^R01", pid(), *result())
    await hospital.send("ORU^R01", pid(), *result("", status), sent="20240103")
    found = await hospital.one("Observation", code="http://loinc.org|718-7")
    assert ("valueQuantity" in found, found["dataAbsentReason"]["coding"][0]["code"]) == (False, reason)
    await hospital.send("ORU^R01", pid(), *result("9", "C"), sent="20240104")
    found = await hospital.one("Observation", code="http://loinc.org|718-7")
    assert found["valueQuantity"]["value"] == 9 and "dataAbsentReason" not in found


async def test_a_move_of_single_numbers_is_refused(hospital: Hospital):
    with pytest.raises(FhirError) as refusal:
        await hospital.send("ADT^A43", "EVN|A43", pid("1^^^A"), "MRG|2^^^A")
    assert refusal.value.category == "not-supported"


@pytest.mark.parametrize(
    ("kind", "segment"),
    [
        ("MDM^T02", "TXA"),
        ("SIU^S12", "SCH"),
        ("ORU^R01", "OBR"),
        ("DFT^P03", "FT1"),
        ("RDE^O11", "ORC"),
        ("RDS^O13", "ORC"),
        ("RAS^O17", "ORC"),
        ("OMP^O09", "ORC"),
        ("OMG^O19", "ORC"),
        ("OUL^R22", "OBR"),
    ],
)
async def test_a_message_without_the_segment_that_it_is_about_is_an_error(hospital: Hospital, kind, segment):
    made = await hospital.send(kind, pid())
    assert made.errors[0].startswith(f"{segment} is required")


async def test_the_kind_of_a_message_may_be_in_small_letters(hospital: Hospital):
    await hospital.send("adt^a29", pid())
    assert (await hospital.one("Patient"))["active"] is False


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("TS", "20240102113059-0500", ("valueDateTime", "2024-01-02T11:30:59-05:00")),
        ("TS", "soon", ("valueString", "soon")),
        ("NA", "1^2^3", ("valueString", "1 2 3 g/dL")),
        ("NM", "many", ("valueString", "many g/dL")),
    ],
)
async def test_old_kinds_of_values_are_kept_whole(hospital: Hospital, kind, text, value):
    await hospital.send("ORU^R01", pid(), *result(text, kind=kind))
    found = await hospital.one("Observation", code="718-7")
    assert found[value[0]] == value[1]


async def test_a_problem_tells_which_segment_has_it(hospital: Hospital):
    second = "OBX|3|NM|777-3^Plt^LN||many|1||N|||F"
    made = await hospital.send("ORU^R01", pid(), *result(), second)
    assert made.issues == ["OBX[3]-5: 'many' is no decimal."]
    assert problem_of(made.issues[0], "W").place == ("OBX", 3, 5)


async def test_a_number_that_was_another_patients_is_told(hospital: Hospital):
    await hospital.send("ORU^R01", pid("1^^^A"), *result())
    made = await hospital.send("ORU^R01", pid("2^^^A"), *result(), sent="20240103")
    assert [one for one in made.issues if "another patient's" in one and "F1" in one]
    assert (await hospital.send("ORU^R01", pid("2^^^A"), *result("14"), sent="20240104")).issues == []


async def test_codes_may_be_in_small_letters_and_numbers_may_lack(hospital: Hospital):
    made = await hospital.send("ADT^A28", "PID|1||100^^^A~^^^X^PI||DOE^JANE||19700101|f")
    found = await hospital.one("Patient")
    assert (made.issues, found["gender"]) == ([], "female")
    assert [one["value"] for one in found["identifier"]] == ["100"]


async def test_a_pointer_with_a_space_is_kept(hospital: Hospital):
    await hospital.send("ORU^R01", pid(), *result("\\E\\\\E\\h\\E\\a b.pdf^^AP^PDF", kind="RP"))
    (form,) = (await hospital.one("DiagnosticReport"))["presentedForm"]
    assert form["url"] == "\\\\h\\a%20b.pdf"


async def test_what_lacks_is_told_of_its_segment(hospital: Hospital):
    made = await hospital.send("ORU^R01", pid(), *result(), "OBX|3|NM|||1|g|||||F")
    assert made.errors == ["OBX[3]-3 is required: without it no Observation can be made."]


async def test_a_number_below_a_bound_is_a_quantity(hospital: Hospital):
    made = await hospital.send("ORU^R01", pid(), *result("<= 5.40"))
    found = (await hospital.one("Observation", code="718-7"))["valueQuantity"]
    assert (found["comparator"], str(found["value"]), found["code"]) == ("<=", "5.40", "g/dL")
    assert made.issues == ["OBX-5: '<= 5.40' is no decimal."]


async def test_a_null_removes_the_mail_address_with_the_telephone(hospital: Hospital):
    await hospital.send("ADT^A28", pid(rest="|DOE^JANE||19700101|F|||||555^PRN^PH~^^Internet^j@a.test|556"))
    await hospital.send("ADT^A31", pid(rest='|DOE^JANE||||||||""'), sent="20240103")
    assert [one["value"] for one in (await hospital.one("Patient"))["telecom"]] == ["556"]


async def test_text_behind_a_line_break_in_a_field_is_not_lost_unseen(hospital: Hospital):
    broken = [each.replace("13.0", "benign,\rand malignant") for each in result(kind="TX")]
    with pytest.raises(FhirError, match=r"'and malignant\|g/dL.*is no segment") as refused:
        await hospital.send("ORU^R01", pid(), *broken)
    assert refused.value.issues[0].location == ""
    assert await hospital.all("Observation") == []


async def test_a_time_in_the_future_keeps_no_later_message_out(hospital: Hospital):
    made = await hospital.send("ADT^A08", pid(), sent="29990101")
    assert any("MSH-7" in issue and "future" in issue for issue in made.issues)
    await hospital.send("ADT^A08", pid(rest="|NEW^NAME"), sent="20240102")
    assert (await hospital.one("Patient"))["name"][0]["family"] == "NEW"


async def test_a_message_without_a_type_is_told_what_it_lacks(hospital: Hospital):
    with pytest.raises(FhirError, match="MSH-9 is empty"):
        await hospital.send("", pid())


async def test_relatives_whom_a_message_states_no_more_end(hospital: Hospital):
    async def active() -> list[str]:
        found = await hospital.all("RelatedPerson")
        return sorted(one["name"][0]["given"][0] for one in found if one.get("active") is not False)

    john, ann = "NK1|1|DOE^JOHN|SPO", "NK1|2|DOE^ANN|MTH"
    await hospital.send("ADT^A01", pid(), john, ann, VISIT.format(place="W"), "GT1|1||DOE^GUS||||||||PAR")
    await hospital.send("ADT^A08", pid(), VISIT.format(place="W"), sent="20240103")
    assert await active() == ["ANN", "GUS", "JOHN"]
    await hospital.send("ADT^A08", pid(), ann, VISIT.format(place="W"), sent="20240104")
    await hospital.send("ADT^A08", pid(), john, VISIT.format(place="W"), sent="20240103")
    assert await active() == ["ANN", "GUS"]
    await hospital.send("ADT^A08", pid(), john, VISIT.format(place="W"), sent="20240105")
    assert await active() == ["GUS", "JOHN"]
    await hospital.send("ADT^A08", pid(), 'NK1|1|""|""', VISIT.format(place="W"), sent="20240106")
    assert await active() == ["GUS"] and "contact" not in await hospital.one("Patient")


@pytest.mark.parametrize("kind", ["ADT^A08", "ADT^A31", "BAR^P02", "VXU^V04", "MDM^T02"])
async def test_two_patients_where_one_may_be_do_not_become_one(hospital: Hospital, kind: str):
    made = await hospital.send(kind, pid("1^^^A"), pid("2^^^A", "|ROE^JOE"), "TXA|1|CN|TX|||||||||D1")
    assert any(one.startswith("PID[2]-3: ") and "another; send a message for each" in one for one in made.errors)


async def test_a_patient_who_is_stated_twice_is_one(hospital: Hospital):
    made = await hospital.send("ADT^A08", pid(), pid())
    assert not made.errors and (await hospital.one("Patient"))["identifier"][0]["value"] == "100"


@pytest.mark.parametrize("event", ["P02", "P06"])
async def test_an_account_that_ends_is_inactive(hospital: Hospital, event: str):
    holder = pid(rest="|DOE^J||1970|F||||||||||A77^^^HOSP")
    await hospital.send("BAR^P01", holder)
    await hospital.send(f"BAR^{event}", holder, sent="20240103")
    assert (await hospital.one("Account"))["status"] == "inactive"
    await hospital.send("BAR^P05", holder, sent="20240104")
    assert (await hospital.one("Account"))["status"] == "inactive"


async def test_an_account_of_several_patients_has_each_once_after_a_move(hospital: Hospital):
    def of(number: str) -> str:
        return pid(f"{number}^^^A", "|DOE^J||1970|F||||||||||A77^^^HOSP")

    await hospital.send("BAR^P01", of("1"))
    await hospital.send("BAR^P01", of("2"), sent="20240103")
    await hospital.send("ADT^A44", of("3"), "MRG|1^^^A||A77^^^HOSP", sent="20240104")
    subjects = [one["reference"] for one in (await hospital.one("Account"))["subject"]]
    wanted = {f"Patient/{(await hospital.one('Patient', identifier=number))['id']}" for number in "23"}
    assert (len(subjects), set(subjects)) == (2, wanted)
    await hospital.send("ADT^A40", pid("3^^^A"), "MRG|2^^^A", sent="20240105")
    assert len((await hospital.one("Account"))["subject"]) == 1


async def test_another_birthday_has_not_the_time_of_the_one_before(hospital: Hospital):
    await hospital.send("ADT^A04", pid(rest="|DOE^J||202402291230|F"))
    assert "_birthDate" in await hospital.one("Patient")
    await hospital.send("ADT^A08", pid(rest="|DOE^J||20240301|F"), sent="20240303")
    assert "_birthDate" not in await hospital.one("Patient")

"""Names by how they are written, times by the hospital's time zone."""

from __future__ import annotations

import pytest

from fhir_server.core.errors import FhirError
from interfaces.dicom.archive.record import accession_issuer
from mappings.dicom.coercion import patient_attributes
from mappings.dicom.imaging_study import SeriesModel, imaging_study, patient_resource
from mappings.dicom.procedure import procedure
from mappings.dicom.reports import diagnostic_report
from mappings.dicom.zones import local, zoned

GROUPS = {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}


def test_groups_of_a_name_come_back_from_fhir():
    patient = patient_resource({"00100010": {"vr": "PN", "Value": [GROUPS]}})
    assert [name["family"] for name in patient["name"]] == ["Yamada", "山田", "やまだ"]
    assert patient_attributes(patient, {})["00100010"]["Value"] == [GROUPS]


def test_one_group_of_letters_says_nothing_of_how_it_is_written():
    patient = patient_resource({"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}})
    assert patient["name"] == [{"family": "Doe", "given": ["Jane"]}]


CODES = [{"00080100": {"vr": "SH", "Value": ["C"]}}]
UIDS = {"0020000D": {"vr": "UI", "Value": ["1.2"]}, "0020000E": {"vr": "UI", "Value": ["1.3"]}}
NO_REFERENCES = {"subject": "", "endpoint": "", "based_on": [], "issuer": ""}


def test_everybody_who_performed_a_series_is_told_once():
    names = [{"Alphabetic": "Doe^Jane"}, None, {"Alphabetic": "Roe^Rob"}]
    series = {"00081050": {"vr": "PN", "Value": names}, "00081070": {"vr": "PN", "Value": ["Tech", names[0]]}}
    made = imaging_study(UIDS, [SeriesModel({**UIDS, **series}, [])], **NO_REFERENCES)["series"][0]
    assert [each["actor"]["display"] for each in made["performer"]] == ["Doe Jane", "Roe Rob", "Tech"]


def test_reader_department_reasons_and_titles_of_a_study_are_told():
    cough = {"00080100": {"vr": "SH", "Value": ["R05"]}, "00080104": {"vr": "LO", "Value": ["Cough"]}}
    request = {"00401002": {"vr": "LO", "Value": ["cough"]}, "0040100A": {"vr": "SQ", "Value": [cough]}}
    requests = {"00400275": {"vr": "SQ", "Value": [request, request, None]}}
    readers = {"vr": "PN", "Value": [{"Alphabetic": "Rea^Der"}, {"Alphabetic": "Sec^Ond"}]}
    study = {**UIDS, "00081060": readers, "00081040": {"vr": "LO", "Value": ["Radiology"]}}
    shown = {"00700080": {"vr": "CS", "Value": ["ARROWS"]}, "0040A043": {"vr": "SQ", "Value": [cough]}}
    made = imaging_study(study, [SeriesModel({**UIDS, **requests}, [shown, {**shown, "00700080": {"vr": "CS"}}])],
                         **NO_REFERENCES)  # fmt: skip
    assert made["interpreter"] == [{"display": "Rea Der"}, {"display": "Sec Ond"}]
    assert made["location"] == {"display": "Radiology"}
    assert made["reasonCode"] == [{"text": "cough"}, {"coding": [{"code": "R05", "display": "Cough"}]}]
    assert [each["title"] for each in made["series"][0]["instance"]] == ["ARROWS", "Cough"]


def test_attributes_of_another_kind_than_the_dictionarys_are_left_out():
    study = {"00081032": {"vr": "LO", "Value": ["chest"]}, "00080090": {"vr": "SQ", "Value": CODES}, **UIDS}
    made = imaging_study(study, [SeriesModel({**UIDS, "00081050": study["00080090"]}, [])], **NO_REFERENCES)
    assert not {"procedureCode", "referrer"} & set(made) and "performer" not in made["series"][0]
    assert "name" not in patient_resource({"00100010": {"vr": "SQ", "Value": CODES}})
    assert accession_issuer({"00080051": {"vr": "LO", "Value": ["HOSPITAL"]}}) == ""
    content = {"0040A730": {"vr": "LO", "Value": ["none"]}, "00080018": {"vr": "UI", "Value": ["1.4"]}}
    report = diagnostic_report(content, subject="", study="", based_on="", issued="")
    assert report["identifier"][0]["value"] == "urn:oid:1.4"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("19700131", "1970-01-31"), ("1970.01.31", "1970-01-31"), ("19700101-19700201", None), ("19700231", None),
     ("1970", None), ("00000000", None), ("197 0101", None)],
)  # fmt: skip
def test_a_birth_date_is_one_day_or_none(sent, expected):
    assert patient_resource({"00100030": {"vr": "DA", "Value": [sent]}}).get("birthDate") == expected


@pytest.mark.parametrize(
    ("date", "time", "end"),
    [("20260101", "102000", "2026-01-01T10:20:00Z"), ("20260101", "", "2026-01-01"), ("20260101", "095959", None),
     ("20251231", "", None), ("", "", None)],
)  # fmt: skip
def test_a_performed_step_does_not_end_before_it_starts(date, time, end):
    step = {
        tag: {"vr": "LO", "Value": [value]}
        for tag, value in (("00400244", "20260101"), ("00400245", "101000"), ("00400250", date), ("00400251", time))
    }
    assert procedure("1.2", step, "Patient/1", "")["performedPeriod"].get("end") == end


def times(date, time, **more):
    return {"00080020": {"vr": "DA", "Value": [date]}, "00080030": {"vr": "TM", "Value": [time]}, **more}


@pytest.mark.parametrize(("date", "offset"), [("20260101", "+0100"), ("20260701", "+0200")])
def test_a_time_without_offset_is_the_hospitals(date, offset):
    made = zoned(times(date, "101500"), "Europe/Berlin", ("00080020", "00080030"))
    assert made["00080201"]["Value"] == [offset]


def test_an_offset_of_its_own_stands_and_no_date_has_none():
    own = times("20260101", "101500", **{"00080201": {"vr": "SH", "Value": ["+0900"]}})
    pair = ("00080020", "00080030")
    assert zoned(own, "Europe/Berlin", pair) == own
    assert "00080201" not in zoned(times("00000000", ""), "Europe/Berlin", pair)
    assert "00080201" not in zoned(times("20260101", "101500"), "UTC", pair)


def test_scheduled_times_are_in_the_hospitals_zone():
    assert local("2026-01-01T23:30:00Z", "Europe/Berlin") == "2026-01-02T00:30:00+01:00"
    assert local("2026-01-01", "Europe/Berlin") == "2026-01-01"
    assert local("2026-01-01T23:30:00+09:00", "UTC") == "2026-01-01T23:30:00+09:00"
    with pytest.raises(FhirError, match="IANA"):
        local("2026-01-01T23:30:00Z", "Europe/Nowhere")

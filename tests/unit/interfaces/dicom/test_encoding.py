"""Models become data sets that this archive and pydicom read alike."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from pynetdicom.dsutils import decode

from interfaces.dicom.dataset.encoding import encode
from interfaces.dicom.dataset.model import to_model
from interfaces.dicom.dataset.syntaxes import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from interfaces.dicom.dataset.walk import DataSet

MODEL = {
    "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
    "00080020": {"vr": "DA", "Value": ["20260102"]},
    "00080061": {"vr": "CS", "Value": ["CT", "PR"]},
    "00081140": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.3"]}}, {}]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]},
    "00102160": {"vr": "SH"},
    "00104000": {"vr": "LT", "Value": ["a\\b"]},
    "00189073": {"vr": "FD", "Value": [1.5]},
    "00200013": {"vr": "IS", "Value": [7]},
    "00200032": {"vr": "DS", "Value": [1.5, -2, 0.3333333333333333]},
    "00209165": {"vr": "AT", "Value": ["00100010"]},
    "00280010": {"vr": "US", "Value": [512]},
    "00420011": {"vr": "OB", "InlineBinary": "AAEC"},
}


@pytest.mark.parametrize(
    ("vr", "raw", "expected"),
    [
        (b"LO", b"17\0\0garbage ", ["17"]),
        (b"LO", b"A\0x\\B\x1b\\\0C ", ["A", "B", None]),
        (b"LT", b"a\\b\r\n\tc\fd\0\\e\x01 ", ["a\\b\r\n\tc\nd"]),
        (b"PN", b"Zhang^Xiao=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1", [{"Alphabetic": "Zhang^Xiao", "Ideographic": "张^小"}]),
        (b"UI", b"1.2.3\0", ["1.2.3"]),
        (b"SH", b"\0\0", []),
    ],
)
def test_values_have_no_control_characters_and_end_at_a_zero(vr, raw, expected):
    raw += b"\0" * (len(raw) % 2)
    characters = struct.pack("<HH2sH", 8, 5, b"CS", 16) + b"\\ISO 2022 IR 58 "
    data = characters[:6] + struct.pack("<H", len(characters) - 8) + characters[8:]
    data += struct.pack("<HH2sH", 0x10, 0x10, vr, len(raw)) + raw
    assert to_model(DataSet(data, EXPLICIT_LITTLE))["00100010"].get("Value", []) == expected


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED])
def test_a_model_comes_back(syntax):
    found = to_model(DataSet(encode(MODEL, syntax), syntax))
    assert found.pop("00080005")["Value"] == ["ISO_IR 192"]
    assert found["00200032"]["Value"][:2] == [1.5, -2] and abs(found["00200032"]["Value"][2] - 1 / 3) < 1e-9
    rest = MODEL.keys() - {"00200032", "00420011", "00081140"}
    assert {tag: found[tag] for tag in rest} == {tag: MODEL[tag] for tag in rest}
    assert found["00081140"]["Value"][0] == MODEL["00081140"]["Value"][0]


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_pydicom_reads_it(syntax):
    found = decode(BytesIO(encode(MODEL, syntax)), syntax == IMPLICIT_LITTLE, syntax != EXPLICIT_BIG)
    assert found.PatientName.ideographic == "山田^太郎" and found.ModalitiesInStudy == ["CT", "PR"]
    assert found.Rows == 512 and found.DimensionIndexPointer == 0x00100010 and found.EncapsulatedDocument == b"\0\1\2\0"
    assert [item.get("ReferencedSOPInstanceUID") for item in found.ReferencedImageSequence] == ["1.2.3", None]
    assert found.ImagePositionPatient[2] == pytest.approx(1 / 3) and found.PatientComments == "a\\b"


def test_ascii_needs_no_character_set():
    assert "00080005" not in to_model(DataSet(encode({"00100020": {"vr": "LO", "Value": ["7"]}}), EXPLICIT_LITTLE))


@pytest.mark.parametrize(
    "element",
    [
        {"vr": "US", "Value": ["no number"]},
        {"vr": "US", "Value": [70000]},
        {"vr": "AT", "Value": ["zz"]},
        {"vr": "OB", "InlineBinary": "?"},
        {"vr": "SQ", "Value": [None]},
        {"vr": "LO", "Value": [None, "b"]},
        {"vr": "LO", "Value": ["x" * 70000]},
    ],
)
def test_odd_values_end_no_answer(element):
    encoded = encode({"00281101": element, "00281102": {"vr": "LO", "Value": ["after"]}})
    assert to_model(DataSet(encoded, EXPLICIT_LITTLE))["00281102"]["Value"] == ["after"]


NAME = {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}


@pytest.mark.parametrize(
    ("asked", "name", "given"),
    [
        (["ISO_IR 100"], {"Alphabetic": "Müller^Jörg"}, ["ISO_IR 100"]),
        (["ISO_IR 144"], {"Alphabetic": "Иванов^Пётр"}, ["ISO_IR 144"]),
        ([None, "ISO 2022 IR 87"], NAME, [None, "ISO 2022 IR 87"]),
        (["GB18030"], {"Alphabetic": "Wang", "Ideographic": "王^小东"}, ["GB18030"]),
        (["ISO_IR 100"], NAME, ["ISO_IR 192"]),
        ([None, "ISO 2022 IR 87"], {"Alphabetic": "Müller^Jörg"}, ["ISO_IR 192"]),
        ([None, "ISO 2022 IR 149"], {"Alphabetic": "Hong", "Ideographic": "洪^吉洞"}, [None, "ISO 2022 IR 149"]),
        (["ISO_IR 6"], {"Alphabetic": "Müller^Jörg"}, ["ISO_IR 192"]),
        (["ISO_IR 999"], {"Alphabetic": "Müller^Jörg"}, ["ISO_IR 192"]),
    ],
)
def test_texts_are_in_the_character_set_that_is_asked_for_where_it_has_them(asked, name, given):
    model = {"00080005": {"vr": "CS", "Value": asked}, "00100010": {"vr": "PN", "Value": [name]}}
    encoded = encode(model)
    found = to_model(DataSet(encoded, EXPLICIT_LITTLE))
    assert (found["00080005"]["Value"], found["00100010"]["Value"]) == (given, [name])
    assert str(decode(BytesIO(encoded), False, True).PatientName) == "=".join(name.values())


def test_ascii_names_no_character_set_though_one_is_asked_for():
    model = {"00080005": {"vr": "CS", "Value": ["ISO_IR 100"]}, "00100020": {"vr": "LO", "Value": ["7"]}}
    assert "00080005" not in to_model(DataSet(encode(model), EXPLICIT_LITTLE))


def test_binary_values_of_big_endian_are_given_least_significant_byte_first():
    words = to_model(DataSet(b"\x00\x28\x12\x01OW\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04", EXPLICIT_BIG))
    assert words["00281201"]["InlineBinary"] == "AgEEAw=="


@pytest.mark.parametrize(
    ("name", "values"), [("^^^^", None), ("=", None), ("Doe^J\\^", [{"Alphabetic": "Doe^J"}, None])]
)
def test_a_name_without_letters_is_no_value(name, values):
    encoded = encode({"00081048": {"vr": "LO", "Value": [name]}}, IMPLICIT_LITTLE)  # physicians of record, as PN
    assert to_model(DataSet(encoded, IMPLICIT_LITTLE))["00081048"].get("Value") == values

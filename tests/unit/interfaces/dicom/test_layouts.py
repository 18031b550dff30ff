"""What a data set of a known layout is taken to say is what a walk of all its bytes finds."""

import random
import struct
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.core.settings import Settings
from interfaces.dicom.archive import layouts as module
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.layouts import Layouts
from interfaces.dicom.archive.receiving import Announced
from interfaces.dicom.archive.record import Mismatch
from interfaces.dicom.dataset.encoding import encode
from interfaces.dicom.dataset.part10 import Meta, read_meta, read_names
from interfaces.dicom.dataset.syntaxes import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, syntax
from interfaces.dicom.dataset.walk import PIXEL_DATA, UNDEFINED, DataSet, Malformed

SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG)
JPEG = "1.2.840.10008.1.2.4.70"
PIXELS = bytes(range(64))
SIGNS = (b"0123456789.", b"0123456789.\\^= ISO_R\0\x1b\xc3\xff", bytes(range(256)))
CODE = {"00080100": {"vr": "SH", "Value": ["CODE"]}}
MODEL = {
    "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
    "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY"]},
    "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
    "00080018": {"vr": "UI", "Value": ["1.2.3.4.1"]},
    "00080020": {"vr": "DA", "Value": ["20260101"]},
    "00080060": {"vr": "CS", "Value": ["CT"]},
    "00081032": {"vr": "SQ", "Value": [CODE]},
    "00081140": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.3.9"]}}]},
    "00082112": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.3.8"]}}]},
    "00090010": {"vr": "LO", "Value": ["PRIVATE"]},
    "00091001": {"vr": "LO", "Value": ["of its own"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Anna"}]},
    "00100020": {"vr": "LO", "Value": ["P1"]},
    "00180050": {"vr": "DS", "Value": [2.5]},
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "0020000E": {"vr": "UI", "Value": ["1.2.3.4"]},
    "00200013": {"vr": "IS", "Value": [7]},
    "00200032": {"vr": "DS", "Value": [-1.5, 0, 12.25]},
    "00280010": {"vr": "US", "Value": [8]},
    "00281055": {"vr": "LO", "Value": ["weiß"]},
    "00420010": {"vr": "ST", "Value": ["t" * 300]},
}


class Told(Exception):
    """Stops what is kept, so that nothing is."""


def data_set(named: str = EXPLICIT_LITTLE, pixels: bytes = PIXELS, **changed: object) -> bytes:
    """The model as it is encoded, its pixels last, and one sequence that has no length; changed: by tag."""
    model = MODEL | {tag: {**MODEL[tag], "Value": [value]} for tag, value in changed.items()}
    encoded, how = encode(model, named), syntax(named)
    order = ">" if how.big else "<"
    at = DataSet(encoded, named).elements[0x00180050].start - 8

    def head(tag: int, vr: bytes, length: int) -> bytes:
        explicit = b"" if how.implicit else vr + b"\0\0"
        return struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) + explicit + struct.pack(f"{order}I", length)

    item = struct.pack(f"{order}HHI", 0xFFFE, 0xE000, UNDEFINED) + encode(CODE, named)
    ends = struct.pack(f"{order}HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    endless = head(0x00180012, b"SQ", UNDEFINED) + item + ends
    return encoded[:at] + endless + encoded[at:] + head(PIXEL_DATA, b"OW", len(pixels)) + pixels


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    made = Archive(Settings(data=tmp_path_factory.mktemp("data"), dicom_reserve_mb=0, dicom_fsync=False))
    yield made
    made.close()


def said(archive: Archive, data: bytes, named: str, layouts: Layouts) -> object:
    """The record that would be kept of a data set, or why none would be."""

    def told(record):
        raise Told(record)

    archive.layouts = layouts
    try:
        receiving = archive.begin(Announced(*read_names(data, Meta("", "", named, 0)), named, "SENDER", "ISSUER"))
        receiving.write([data])
        receiving.finish(told)
    except Told as told:
        return told.args[0]
    except (Malformed, Mismatch) as problem:
        return type(problem), str(problem)


def knowing(archive: Archive, *sets: bytes, named: str = EXPLICIT_LITTLE) -> Layouts:
    """The layouts of data sets that came twice."""
    layouts = Layouts()
    for each in sets * 2:
        said(archive, each, named, layouts)
    return layouts


def known(layouts: Layouts, data: bytes, named: str = EXPLICIT_LITTLE) -> bool:
    """Whether the layout of a data set is."""
    return layouts.described((named, len(data)), data) is not None


def alike(archive: Archive, layouts: Layouts, data: bytes, named: str) -> None:
    """What it is taken to say is what a walk finds."""
    assert said(archive, data, named, layouts) == said(archive, data, named, Layouts())


@pytest.mark.parametrize("named", [*SYNTAXES, JPEG])
def test_an_instance_after_another_is_of_its_layout_and_says_what_a_walk_finds(archive, named):
    layouts = knowing(archive, data_set(named), named=named)
    others = {
        "00080018": "1.2.3.4.2", "00200013": 8, "00081140": {"00081155": {"vr": "UI", "Value": ["1.2.3.9"]}},
        "00082112": {"00081155": {"vr": "UI", "Value": ["1.2.3.7"]}}, "00091001": "of another", "00281055": "groß",
        "00180050": 3.5,
    }  # fmt: skip
    other = data_set(named, **others)
    assert known(layouts, other, named)
    alike(archive, layouts, other, named)
    record = said(archive, other, named, layouts)
    assert (record.uid, record.instance["00200013"]["Value"]) == ("1.2.3.4.2", [8])
    assert list(record.instance) == sorted(record.instance)


@pytest.mark.parametrize(
    "changed",
    [
        {"00100020": "P2"}, {"00100010": {"Alphabetic": "Müller^Anne"}}, {"0020000D": "1.2.4"},
        {"00080020": "20260102"},
        {"0020000E": "1.2.3.5"}, {"00080060": "MR"}, {"00080005": "ISO_IR 101"}, {"00420010": "u" * 300},
        {"00081140": {"00081155": {"vr": "UI", "Value": ["1.2.3.7"]}}}, {"00080018": "1.2.3.4.100"},
        {"00081032": {"00080100": {"vr": "SH", "Value": ["EDOC"]}}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("named", SYNTAXES)
def test_one_of_another_patient_study_series_or_shape_is_walked(archive, changed, named):
    layouts = knowing(archive, data_set(named), named=named)
    other = data_set(named, **changed)
    assert other != data_set(named) and not known(layouts, other, named)
    alike(archive, layouts, other, named)


@pytest.mark.parametrize("named", SYNTAXES)
def test_any_byte_may_be_another(archive, named):
    whole = data_set(named)
    layouts = knowing(archive, whole, named=named)
    for at in range(len(whole) - len(PIXELS)):
        for byte in {0, 0x5C, 0xFF, whole[at] ^ 1}:
            alike(archive, layouts, whole[:at] + bytes([byte]) + whole[at + 1 :], named)


@settings(max_examples=300, deadline=None)
@given(
    named=st.sampled_from(SYNTAXES),
    values=st.dictionaries(st.integers(0, len(MODEL) + 1), st.sampled_from(SIGNS), max_size=6),
    seed=st.integers(0, 2**32),
    byte=st.none() | st.integers(0, 255),
    tail=st.just(0) | st.integers(-len(PIXELS) - 20, 6),
)
def test_whatever_is_changed_says_what_a_walk_finds(archive, named, values, seed, byte, tail):
    whole, chance = data_set(named), random.Random(seed)
    layouts = knowing(archive, whole, data_set(named, **{"00080018": "1.2.3.4.111"}), named=named)
    changed = bytearray(whole)
    walked = list(DataSet(whole, named).elements.values())
    for number, signs in values.items():
        _, start, length, *_ = walked[number]
        changed[start : start + length] = bytes(chance.choices(signs, k=length))
    if byte is not None:
        changed[chance.randrange(len(changed))] = byte
    changed = changed + bytes(tail) if tail >= 0 else changed[:tail]
    alike(archive, layouts, bytes(changed), named)


def native(path: Path) -> bool:
    try:
        return read_meta(path.read_bytes()).transfer_syntax in SYNTAXES
    except Malformed:
        return False


FILES = [path for path in sorted(Path(pydicom.data.__file__).parent.rglob("*.dcm")) if native(path)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_real_data_sets_with_other_bytes_say_what_a_walk_finds(archive, path):
    whole = path.read_bytes()
    meta = read_meta(whole)
    whole = whole[meta.start :]
    layouts = knowing(archive, whole, named=meta.transfer_syntax)
    chance = random.Random(3)
    alike(archive, layouts, whole, meta.transfer_syntax)
    for _ in range(40):
        changed = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(min(len(changed), 6000))] = chance.choice(b"0123456789\\ \xff")
        alike(archive, layouts, bytes(changed), meta.transfer_syntax)


def test_data_sets_whose_end_is_no_native_pixel_data_are_walked(archive):
    whole = data_set()
    assert not known(knowing(archive, data_set(DEFLATED), named=DEFLATED), data_set(DEFLATED), DEFLATED)
    for other in (whole + b"\xfc\xff\xfc\xffOB\0\0\2\0\0\0\0\0", whole[: -12 - len(PIXELS)], whole[:-2]):
        assert not known(knowing(archive, other), other)


def test_a_layout_is_known_once_its_series_had_that_size_twice(archive):
    layouts = Layouts()
    said(archive, data_set(), EXPLICIT_LITTLE, layouts)
    said(archive, data_set(**{"0020000E": "1.2.3.5"}), EXPLICIT_LITTLE, layouts)
    assert not known(layouts, data_set())
    said(archive, data_set(), EXPLICIT_LITTLE, layouts)
    assert known(layouts, data_set())


def test_layouts_that_were_not_met_for_long_are_forgotten(archive, monkeypatch):
    series = [data_set(**{"0020000E": f"1.2.{number}"}) for number in range(100, 101 + module.MOST_ALIKE)]
    layouts = knowing(archive, *series[:-1])
    assert all(known(layouts, each) for each in series[:-1])
    assert known(layouts, series[0])
    for _ in range(2):
        said(archive, series[-1], EXPLICIT_LITTLE, layouts)
    assert [each for each in series if not known(layouts, each)] == [series[1]]
    monkeypatch.setattr(module, "MOST_HELD", 0)
    said(archive, data_set(pixels=PIXELS * 2), EXPLICIT_LITTLE, layouts)
    assert not any(known(layouts, each) for each in series)


def test_the_pixels_begin_where_the_layout_ends(archive):
    layouts = knowing(archive, data_set())
    longer = data_set(pixels=PIXELS + b"\0\0", **{"00080018": "1.2.3.4"})
    assert len(longer) == len(data_set()) and not known(layouts, longer)
    alike(archive, layouts, longer, EXPLICIT_LITTLE)
    assert DataSet(longer, EXPLICIT_LITTLE).elements[PIXEL_DATA].length == len(PIXELS) + 2

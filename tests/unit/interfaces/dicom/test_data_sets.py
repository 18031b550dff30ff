"""The walker and the JSON model against pydicom, on the files that pydicom's own tests use."""

import io
import random
import struct
import warnings
from pathlib import Path

import pydicom
import pydicom.data
import pytest

from interfaces.dicom.dataset.model import to_model
from interfaces.dicom.dataset.part10 import header, read_file, read_meta
from interfaces.dicom.dataset.syntaxes import EXPLICIT_LITTLE, UNCOMPRESSED
from interfaces.dicom.dataset.walk import PIXEL_DATA, DataSet, Malformed

FILES = sorted(Path(pydicom.data.__file__).parent.rglob("*.dcm"))
NO_WHOLE_FILES = {  # what each lacks
    "rtstruct.dcm": "preamble",
    "no_meta.dcm": "preamble",
    "ExplVR_LitEndNoMeta.dcm": "preamble",
    "ExplVR_BigEndNoMeta.dcm": "preamble",
    "meta_missing_tsyntax.dcm": "transfer syntax",
    "SC_rgb_jpeg.dcm": "data set in the transfer syntax that it names",
    "nested_priv_SQ.dcm": "groups after the file meta information",
    "rtplan_truncated.dcm": "end",
    "MR_truncated.dcm": "end",
}


def plain(value):
    """A value of pydicom without the padding that it keeps, None for an empty one."""
    return (value.strip() or None) if isinstance(value, str) else value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_whole_files_are_read_as_pydicom_reads_them(path):
    if path.name in NO_WHOLE_FILES:
        with pytest.raises(Malformed):
            read_file(path.read_bytes())
        return
    _, data_set = read_file(path.read_bytes())
    model = to_model(data_set, bulk=lambda where: where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = pydicom.dcmread(path)
        assert {int(tag, 16) for tag in model} == {int(element.tag) for element in read if element.tag.element}
        if path.name == "badVR.dcm":  # pydicom refuses its integers
            return
        expected = read.to_json_dict(bulk_data_element_handler=lambda element: "x", bulk_data_threshold=1024)
    for tag, value in model.items():
        public = int(tag[:4], 16) % 2 == 0
        if public and value["vr"] == expected[tag]["vr"] and "Value" in value and value["vr"] not in ("SQ", "PN"):
            assert value["Value"] == [plain(each) for each in expected[tag]["Value"]], tag


def test_a_cut_anywhere_before_the_end_is_seen_or_is_a_whole_shorter_data_set():
    data = (Path(pydicom.data.__file__).parent / "test_files/CT_small.dcm").read_bytes()
    meta, whole = read_file(data)
    body = data[meta.start :]
    boundaries = {element.start + element.length for element in whole.elements.values()}
    for cut in random.Random(1).sample(range(1, len(body)), 300):
        if cut in boundaries:
            continue
        with pytest.raises(Malformed):
            DataSet(body[:cut], meta.transfer_syntax)


@pytest.mark.parametrize("syntax", UNCOMPRESSED)
def test_random_bytes_are_malformed_and_nothing_worse(syntax):
    for seed in range(300):
        with pytest.raises(Malformed):
            DataSet(random.Random(seed).randbytes(400), syntax)


def test_changed_bytes_end_in_a_model_or_malformed():
    data = bytearray((Path(pydicom.data.__file__).parent / "test_files/rtplan.dcm").read_bytes())
    chance = random.Random(2)
    for _ in range(400):
        changed = bytearray(data)
        for _ in range(3):
            changed[chance.randrange(132, len(changed))] = chance.randrange(256)
        try:
            _, data_set = read_file(bytes(changed))
            to_model(data_set)
        except Malformed:
            pass


def explicit(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An element in explicit little endian; a VR without letters has a short length."""
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    size = len(value) if length is None else length
    return (
        head
        + struct.pack("<HI" if vr in LONG_LENGTHS else "<H", *((0, size) if vr in LONG_LENGTHS else (size,)))
        + value
    )


LONG_LENGTHS = (b"OB", b"OW", b"SQ", b"UN", b"ZZ")
CODE = explicit(0x00080100, b"SH", b"CODE")
ITEM, ITEM_END, END = (struct.pack("<HHI", 0xFFFE, number, size) for number, size in
                       ((0xE000, len(CODE)), (0xE00D, 0), (0xE0DD, 0)))  # fmt: skip
IMPLICIT_CODE = CODE[:4] + struct.pack("<I", 4) + b"CODE"
NAME, PIXELS = explicit(0x00100010, b"PN", b"Doe^Jane"), explicit(0x7FE00010, b"OW", bytes(range(64)))
META = explicit(0x00020000, b"UL", struct.pack("<I", 28)) + explicit(0x00020010, b"UI", b"1.2.840.10008.1.2.1\0")


@pytest.mark.parametrize(
    "said",
    [
        NAME + explicit(0x00291001, b"ZZ", b"of later editions " * 20) + PIXELS,
        *(NAME + explicit(0x00181000, vr, b"SN12") + PIXELS for vr in (b"??", b"  ", b"\0\0", b"lo")),
        NAME + PIXELS + bytes(2), NAME + PIXELS + bytes(7), NAME + PIXELS + bytes(512), META + NAME + PIXELS,
        NAME + explicit(0x00291001, b"UN", ITEM + CODE + END, 0xFFFFFFFF) + PIXELS,
        NAME + explicit(0x00291001, b"UN", ITEM[:4] + b"\xff" * 4 + CODE + ITEM_END + END, 0xFFFFFFFF) + PIXELS,
        NAME + explicit(0x00321064, b"SQ", ITEM + CODE + END) + PIXELS,
        NAME + explicit(0x00321064, b"SQ", ITEM[:4] + struct.pack("<I", len(CODE) + 8) + CODE + ITEM_END) + PIXELS,
        NAME + PIXELS + ITEM_END,
        explicit(0x00100010, b"UN", b"Doe^Jane") + PIXELS,
    ],
)  # fmt: skip
def test_what_old_devices_do_wrong_is_read_on_and_mended_for_others(said):
    read = DataSet(said, EXPLICIT_LITTLE)
    mended = read.mended() or said
    others = pydicom.dcmread(io.BytesIO(header("1.2", "1.3", EXPLICIT_LITTLE) + mended))
    assert to_model(read)["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}
    assert read.bytes(read.elements[PIXEL_DATA]) == others.PixelData == bytes(range(64))
    assert {int(each.tag) for each in others} == set(read.elements)
    assert DataSet(mended, EXPLICIT_LITTLE).mended() is None


@pytest.mark.parametrize("within", [IMPLICIT_CODE, CODE])
def test_a_sequence_of_unknown_vr_has_the_items_of_the_dictionary(within):
    item = ITEM[:4] + struct.pack("<I", len(within)) + within
    for value, length in ((item, None), (item + END, 0xFFFFFFFF)):
        model = to_model(DataSet(explicit(0x00321064, b"UN", value, length), EXPLICIT_LITTLE))
        assert model["00321064"] == {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["CODE"]}}]}


def test_a_sequence_of_other_bytes_is_given_as_they_are():
    model = to_model(DataSet(explicit(0x00291001, b"SQ", b"bytes!"), EXPLICIT_LITTLE), bulk=lambda where: where)
    assert model["00291001"] == {"vr": "UN", "InlineBinary": "Ynl0ZXMh"}


@pytest.mark.parametrize(
    ("named", "written", "read"),
    [("", "latin-1", "Müller"), ("", "utf-8", "Müller"), ("ISO_IR 192", "latin-1", "Müller"),
     ("BOGUS", "utf-8", "Müller"), ("iso_ir 192", "utf-8", "Müller"), ("ISO_IR 100", "utf-8", "MÃ¼ller")],
)  # fmt: skip
def test_texts_of_no_known_character_set_are_utf_8_or_latin_1(named, written, read):
    said = explicit(0x00080005, b"CS", named.encode()) + explicit(0x00100010, b"PN", "Müller".encode(written))
    assert to_model(DataSet(said, EXPLICIT_LITTLE))["00100010"]["Value"] == [{"Alphabetic": read}]


def test_a_header_is_read_back_and_the_same_for_the_same_uids():
    made = header("1.2.3", "1.2.3.4", "1.2.840.10008.1.2.1")
    assert made == header("1.2.3", "1.2.3.4", "1.2.840.10008.1.2.1")
    meta = read_meta(made)
    assert (meta.sop_class, meta.sop_instance, meta.transfer_syntax) == ("1.2.3", "1.2.3.4", "1.2.840.10008.1.2.1")
    assert meta.start == len(made)
    assert read_meta(made + META).start == len(made)

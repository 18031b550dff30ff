"""The walker and the JSON model against pydicom, on the files that pydicom's own tests use."""

import random
import warnings
from pathlib import Path

import pydicom
import pydicom.data
import pytest

from interfaces.dicom.dataset.model import to_model
from interfaces.dicom.dataset.part10 import header, read_file, read_meta
from interfaces.dicom.dataset.syntaxes import UNCOMPRESSED
from interfaces.dicom.dataset.walk import DataSet, Malformed

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


def test_a_header_is_read_back_and_the_same_for_the_same_uids():
    made = header("1.2.3", "1.2.3.4", "1.2.840.10008.1.2.1")
    assert made == header("1.2.3", "1.2.3.4", "1.2.840.10008.1.2.1")
    meta = read_meta(made)
    assert (meta.sop_class, meta.sop_instance, meta.transfer_syntax) == ("1.2.3", "1.2.3.4", "1.2.840.10008.1.2.1")
    assert meta.start == len(made)

"""C-FIND, C-MOVE and C-GET by dcmtk's tools."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from tests.system.dicom.conftest import dcmtk, until
from tests.system.dicom.images import encoded, files, image, keep_file, study

FIELDS = ("PatientID", "PatientName", "StudyDate", "StudyTime", "AccessionNumber", "Modality")
STUDIES = [
    dict(zip(FIELDS, values, strict=True))
    for values in (
        ("P1", "Müller^Jörg", "20260101", "101500", "A1", "CT"),
        ("P2", "Mueller^Anna", "20260215", "0830", "A2", "CT"),
        ("P3", "Smith^John", "20260301", "235959.5", "B1[x]", "MR"),
    )
]


@pytest.fixture
def stocked(dicom):
    for number, attributes in enumerate(STUDIES):
        for made in study(
            number + 1, SpecificCharacterSet="ISO_IR 192", StudyInstanceUID=f"1.2.{number}", **attributes
        ):
            procedure = Dataset()
            procedure.CodeValue, procedure.CodingSchemeDesignator, procedure.CodeMeaning = f"C{number}", "L", "Code"
            made.ProcedureCodeSequence = [procedure]
            dicom.archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
    return dicom


def found(dicom, *keys, level="STUDY", model="-S", show="0020,000d"):
    """The values of one attribute in what findscu gets."""
    shown = () if any(key.startswith(show) for key in keys) else (show,)
    arguments = [part for key in (f"0008,0052={level}", *keys, *shown) for part in ("-k", key)]
    with tempfile.TemporaryDirectory() as folder:
        answer = dicom.tool("findscu", model, "-X", "-od", folder, *arguments)
        assert answer.returncode == 0, answer.stderr
        responses = [pydicom.dcmread(path, force=True) for path in Path(folder).iterdir()]
    return sorted(str(response[show.replace(",", "")].value) for response in responses)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("0010,0020", ["1.2.0", "1.2.1", "1.2.2"]),
        ("0010,0020=P2", ["1.2.1"]),
        ("0010,0020=P?", ["1.2.0", "1.2.1", "1.2.2"]),
        ("0010,0020=p2", []),
        ("0010,0010=MULLER*", ["1.2.0"]),
        ("0010,0010=mueller^anna", ["1.2.1"]),
        ("0010,0010=*^jo*", ["1.2.0", "1.2.2"]),
        ("0008,0020=20260215", ["1.2.1"]),
        ("0008,0020=20260201-", ["1.2.1", "1.2.2"]),
        ("0008,0020=-20260215", ["1.2.0", "1.2.1"]),
        ("0008,0020=20260102-20260228", ["1.2.1"]),
        ("0008,0020=20260102 - 20260228", ["1.2.1"]),
        ("0008,0030=0800-1200", ["1.2.0", "1.2.1"]),
        ("0008,0030=083000", ["1.2.1"]),
        ("0008,0050=B1[x]", ["1.2.2"]),
        ("0008,0050=B1[*", ["1.2.2"]),
        ("0008,0061=MR", ["1.2.2"]),
        ("0008,0061=CT\\MR", ["1.2.0", "1.2.1", "1.2.2"]),
        ("0020,000d=1.2.0\\1.2.2", ["1.2.0", "1.2.2"]),
        ("(0008,1032)[0].0008,0100=C1", ["1.2.1"]),
        ("(0008,1032)[0].0008,0100=C*", ["1.2.0", "1.2.1", "1.2.2"]),
        ("0020,1208", ["1.2.0", "1.2.1", "1.2.2"]),
        ("0010,1080=Captain", ["1.2.0", "1.2.1", "1.2.2"]),  # optional, and not kept to search by
    ],
)
def test_all_kinds_of_matching(stocked, key, expected):
    assert found(stocked, key) == expected


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
@pytest.mark.parametrize("key", ["0008,0020=20260302", "0008,0020=2026.03.01-", "0010,0030=19700102"])
def test_dates_with_dots_are_found(dicom, key):
    made = image(StudyInstanceUID="1.2.3", StudyDate="2026.03.02", PatientBirthDate="1970.01.02")
    dicom.archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
    assert found(dicom, key) == ["1.2.3"]


def test_every_level_of_both_models(stocked):
    assert found(stocked, level="PATIENT", model="-P", show="0010,0020") == ["P1", "P2", "P3"]
    assert found(stocked, "0010,0020=P3", level="STUDY", model="-P") == ["1.2.2"]
    assert len(found(stocked, "0020,000d=1.2.2", level="SERIES", show="0020,000e")) == 1
    assert len(found(stocked, "0020,000d=1.2.2", level="IMAGE", show="0008,0018")) == 3
    assert found(stocked, "0020,000d=1.2.2", "0020,0013=2", level="IMAGE", show="0020,0013") == ["2"]


def test_counts_and_computed_attributes(stocked):
    assert found(stocked, "0020,000d=1.2.2", show="0020,1208") == ["3"]
    assert found(stocked, "0010,0020=P3", level="PATIENT", model="-P", show="0020,1204") == ["3"]
    assert found(stocked, "0020,000d=1.2.2", show="0008,0062") == ["1.2.840.10008.5.1.4.1.1.2"]


def test_a_level_that_the_model_has_not_is_refused(stocked):
    answer = stocked.tool("findscu", "-d", "-S", "-k", "0008,0052=PATIENT", "-k", "0010,0020")
    assert "0xa900" in (answer.stdout + answer.stderr).lower()


@pytest.mark.parametrize("key", ["0008,0020=2026-02-15", "0008,0020=yesterday", "0008,0030=noon"])
def test_what_is_no_date_or_time_is_refused(dicom, key):
    answer = dicom.tool("findscu", "-d", "-S", "-k", "0008,0052=STUDY", "-k", key)
    assert "0xa900" in (answer.stdout + answer.stderr).lower()


def test_unique_keys_are_asked_for_where_queries_are_not_relational(dicom_with):
    dicom = dicom_with(dicom_relational=False)
    answer = dicom.tool("findscu", "-d", "-S", "-k", "0008,0052=SERIES", "-k", "0020,000e")
    assert "0xa900" in (answer.stdout + answer.stderr).lower()


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("0010,0020=P1", "ff00"),
        ("0008,0060=CT", "ff00"),
        ("0018,0015=CHEST", "ff01"),  # a series' attribute that no column has
        ("0010,1000=X", "ff01"),
        ("0009,0010=X", "ff01"),
    ],
)
def test_a_match_tells_whether_all_keys_were_compared(stocked, key, status):
    answer = stocked.tool("findscu", "-d", "-S", "-k", "0008,0052=STUDY", "-k", "0020,000d=1.2.0", "-k", key)
    said = (answer.stdout + answer.stderr).lower()
    assert f"0x{status}" in said and ({"ff00", "ff01"} - {status}).pop() not in said


def receiver(folder, port, *options):
    """storescp into a folder."""
    folder.mkdir()
    run = [dcmtk("storescp"), *options, "-od", str(folder), str(port)]
    process = subprocess.Popen(run)
    until(lambda: not _refused(port))
    return process


def _refused(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return True
    return False


def move(dicom, uid, to="RECEIVER"):
    keys = ("-k", "0008,0052=STUDY", "-k", f"0020,000d={uid}")
    answer = dicom.tool("movescu", "-d", "-S", "-aem", to, *keys)
    return answer.stdout + answer.stderr


def test_move_sends_a_study_to_a_peer(moving, tmp_path):
    dicom, port = moving
    images = study(4)
    dicom.tool("storescu", *files(images, tmp_path / "sent"))
    process = receiver(tmp_path / "got", port)
    try:
        assert "0x0000" in move(dicom, images[0].StudyInstanceUID)
    finally:
        process.terminate()
        process.wait()
    got = {made.SOPInstanceUID: made for made in map(pydicom.dcmread, (tmp_path / "got").iterdir())}
    assert all(got[made.SOPInstanceUID].PixelData == made.PixelData for made in images) and len(got) == 4


def test_move_uncompresses_for_a_receiver_that_takes_no_compressed_syntax(moving, tmp_path):
    dicom, port = moving
    path = str(get_testdata_file("MR_small_RLE.dcm"))
    keep_file(dicom.archive, path)
    process = receiver(tmp_path / "got", port, "+xe")
    try:
        answer = move(dicom, pydicom.dcmread(path).StudyInstanceUID)
    finally:
        process.terminate()
        process.wait()
    [got] = (tmp_path / "got").iterdir()
    assert not pydicom.dcmread(got).file_meta.TransferSyntaxUID.is_compressed, answer
    assert (pydicom.dcmread(got).pixel_array == pydicom.dcmread(path).pixel_array).all()


def test_move_to_an_unknown_or_absent_peer_fails(moving, tmp_path):
    dicom, _ = moving
    dicom.tool("storescu", *files([image(StudyInstanceUID="1.2.3")], tmp_path / "sent"))
    assert "0xa801" in move(dicom, "1.2.3", "NOBODY").lower()
    said = move(dicom, "1.2.3").lower()
    assert "0xa702" in said and "receiver does not answer" in said


def test_a_peer_that_goes_away_during_a_move_ends_it_with_what_failed(moving, tmp_path):
    dicom, port = moving
    images = study(200, 64)
    dicom.tool("storescu", *files(images, tmp_path / "sent"))
    process = receiver(tmp_path / "got", port)
    keys = ["-k", "0008,0052=STUDY", "-k", f"0020,000d={images[0].StudyInstanceUID}"]
    run = [dcmtk("movescu"), "-d", "-S", "-aec", "ULTIMATEHMS", "-aem", "RECEIVER", "127.0.0.1", str(dicom.port), *keys]
    moving_out = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: len(list((tmp_path / "got").iterdir())) > 3)
    process.kill()
    process.wait()
    said = moving_out.communicate(timeout=150)[0].lower()  # more than dicom_timeout_seconds
    assert "0xb000" in said or "0xa702" in said
    time.sleep(0.1)
    assert dicom.tool("echoscu").returncode == 0


def test_get_sends_a_study_over_the_same_association(dicom, tmp_path):
    images = study(3)
    dicom.tool("storescu", *files(images, tmp_path / "sent"))
    (tmp_path / "got").mkdir()
    keys = ("-k", "0008,0052=STUDY", "-k", f"0020,000d={images[0].StudyInstanceUID}")
    answer = dicom.tool("getscu", "-S", "-od", tmp_path / "got", *keys)
    assert answer.returncode == 0, answer.stderr
    assert len(list((tmp_path / "got").iterdir())) == 3


def test_a_series_and_an_image_can_be_retrieved_alone(dicom, tmp_path):
    images = study(3)
    dicom.tool("storescu", *files(images, tmp_path / "sent"))
    (tmp_path / "got").mkdir()
    keys = ("-k", "0008,0052=IMAGE", "-k", f"0008,0018={images[1].SOPInstanceUID}")
    dicom.tool("getscu", "-S", "-od", tmp_path / "got", *keys)
    [got] = (tmp_path / "got").iterdir()
    assert pydicom.dcmread(got).SOPInstanceUID == images[1].SOPInstanceUID


@pytest.mark.parametrize(
    ("level", "key"),
    [("STUDY", "0020,000d="), ("STUDY", "0020,000d=1.2.*"), ("SERIES", "0020,000e=*"), ("IMAGE", "0008,0018")],
)
def test_what_names_nothing_of_its_level_is_not_retrieved(stocked, tmp_path, level, key):
    (tmp_path / "got").mkdir()
    above = () if level == "STUDY" else ("-k", "0020,000d=1.2.0")
    answer = stocked.tool("getscu", "-d", "-S", "-od", tmp_path / "got", "-k", f"0008,0052={level}", *above, "-k", key)
    assert "0xa900" in answer.stderr.lower() and not list((tmp_path / "got").iterdir())

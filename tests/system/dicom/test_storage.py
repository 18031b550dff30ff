"""C-ECHO and C-STORE by dcmtk's tools and by pynetdicom, whole and broken."""

from __future__ import annotations

import gc
import itertools
import socket
import ssl
import struct
import threading
import time
import tracemalloc
import warnings

import pydicom
import pytest
from blake3 import blake3
from pydicom.data import get_testdata_file
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import CTImageStorage, Verification  # pyright: ignore[reportAttributeAccessIssue]

from interfaces.dicom.archive.index import one_of
from interfaces.dicom.association import connection
from interfaces.dicom.scu.checkpoint import steady
from tests.authority import Authority
from tests.system.dicom.conftest import TITLE, until
from tests.system.dicom.images import encoded, files, image, study
from tests.system.dicom.upper_layer import ACCEPT, COMMAND, LAST, command, connected, data, pdu, request


def associate(dicom, *contexts, called=TITLE, **others):
    entity = AE("MODALITY")
    for uid, syntax in contexts or ((CTImageStorage, None),):
        entity.add_requested_context(uid, syntax) if syntax else entity.add_requested_context(uid)
    return steady(entity.associate("127.0.0.1", dicom.port, ae_title=called, **others))


def send_raw(association, data, uid="1.2.3", sop_class=CTImageStorage):
    """A C-STORE request with any bytes as its data set; the status of the answer."""
    from io import BytesIO

    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, uid
    request.DataSet = BytesIO(data)
    context = association.accepted_contexts[0]
    association._reactor_checkpoint.clear()
    until(lambda: association._is_paused)
    association.dimse.send_msg(request, context.context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return answer.Status


def explicit(dicom):
    return associate(dicom, (CTImageStorage, "1.2.840.10008.1.2.1"))


def test_echo_by_dcmtk(dicom):
    assert dicom.tool("echoscu").returncode == 0


def test_a_wrong_called_title_is_rejected(dicom):
    answer = dicom.tool("echoscu", called="ELSEWHERE")
    assert answer.returncode != 0 and "Called AE Title Not Recognized" in answer.stderr + answer.stdout


def test_a_study_sent_by_dcmtk_is_kept_as_it_came(dicom, tmp_path):
    images = study(5)
    paths = files(images, tmp_path / "sent")
    assert dicom.tool("storescu", *paths).returncode == 0
    assert (dicom.count(), dicom.count("series"), dicom.count("study"), dicom.count("patient")) == (5, 1, 1, 1)
    kept = {pydicom.dcmread(path).SOPInstanceUID: pydicom.dcmread(path) for path in dicom.stored_files()}
    for made in images:
        assert kept[made.SOPInstanceUID].PixelData == made.PixelData
        assert kept[made.SOPInstanceUID].to_json() == made.to_json()


def test_files_are_named_by_their_content(dicom, tmp_path):
    dicom.tool("storescu", *files(study(2), tmp_path / "sent"))
    stored = dicom.stored_files()
    assert {path.stem for path in stored} == {f"{blake3(path.read_bytes()).hexdigest()}-b3" for path in stored}


@pytest.mark.parametrize(
    "name", ["JPEG2000.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm", "MR_small_bigendian.dcm"]
)
def test_every_transfer_syntax_is_kept_as_received(dicom, name):
    sent = pydicom.dcmread(str(get_testdata_file(name)))
    association = associate(dicom, (sent.SOPClassUID, sent.file_meta.TransferSyntaxUID))
    assert association.send_c_store(sent).Status == 0
    association.release()
    [path] = dicom.stored_files()
    kept = pydicom.dcmread(path)
    assert kept.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
    assert kept.PixelData == sent.PixelData


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_data_set_is_kept_as_it_came_wherever_it_is_cut(dicom_with, tmp_path, tls):
    certificate, key = Authority(tmp_path).certificate("server")
    dicom = dicom_with(**{"dicom_tls_certificate": str(certificate), "dicom_tls_key": str(key)} if tls else {})
    connection = connected(dicom.port)
    if tls:
        context = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
        connection = context.wrap_socket(connection, server_hostname="localhost")
    connection.sendall(request(CTImageStorage))
    assert pdu(connection)[0] == ACCEPT
    sent = []
    for lengths in ((131_066,), (16_372,), (131_066, 1, 0, 12, 70_000), (5, 30_000, 30_000, 30_000, 6)):
        made = image(830)  # more than a file's buffer
        made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        content = encoded(made)
        asked = command(e0002=CTImageStorage, e0100=1, e0110=7, e0700=0, e0800=1, e1000=made.SOPInstanceUID)
        message, at, length = data(1, COMMAND | LAST, asked), 0, itertools.cycle(lengths)
        while at < len(content):
            part = content[at : at + next(length)]
            at += len(part)
            message += data(1, LAST if at == len(content) else 0, part)
        at, length = 0, itertools.cycle((1, 11, 12, 13, 40_000, 131_073, 7))
        while at < len(message):
            connection.sendall(message[at : (at := at + next(length))])
        kind, answer = pdu(connection)
        assert kind == 4 and struct.pack("<HHIH", 0, 0x0900, 2, 0) in answer
        sent.append(content)
    connection.close()
    kept = [path.read_bytes() for path in dicom.stored_files()]
    assert len(kept) == len(sent)
    assert all(any(file.endswith(content) for file in kept) for content in sent)


def test_the_same_bytes_again_are_a_success(dicom):
    made = image()
    association = explicit(dicom)
    assert association.send_c_store(made).Status == 0
    assert association.send_c_store(made).Status == 0
    association.release()
    assert dicom.count() == 1 and len(dicom.stored_files()) == 1


@pytest.mark.parametrize(("policy", "status", "kept"), [("refuse", 0x0111, 0), ("keep", 0xB000, 0), ("replace", 0, 1)])
def test_other_bytes_under_a_known_uid_follow_the_policy(dicom_with, policy, status, kept):
    dicom = dicom_with(dicom_duplicates=policy)
    versions = [image(StudyDescription=text) for text in ("first", "second")]
    versions[1].SOPInstanceUID = versions[1].file_meta.MediaStorageSOPInstanceUID = versions[0].SOPInstanceUID
    association = explicit(dicom)
    assert association.send_c_store(versions[0]).Status == 0
    assert association.send_c_store(versions[1]).Status == status
    association.release()
    described = [pydicom.dcmread(path).StudyDescription for path in dicom.stored_files()]
    assert described == [versions[kept].StudyDescription] and dicom.count() == 1
    assert dicom.count("event", kind=one_of(["duplicate", "replaced"])) == 1


@pytest.mark.parametrize("cut", [1, 7, 200, 400])
def test_a_data_set_that_is_cut_short_is_refused_and_leaves_nothing(dicom, cut):
    made = image()
    association = explicit(dicom)
    assert send_raw(association, encoded(made)[:-cut], made.SOPInstanceUID) in (0xC000, 0xA900)
    association.release()
    assert dicom.count() == 0 and dicom.stored_files() == []


def test_random_bytes_are_refused_and_leave_nothing(dicom):
    import random

    association = explicit(dicom)
    for seed in range(20):
        assert send_raw(association, random.Random(seed).randbytes(5000)) in (0xC000, 0xA900)
    association.release()
    implicit = associate(dicom, (CTImageStorage, "1.2.840.10008.1.2"))
    for seed in range(20):
        assert send_raw(implicit, random.Random(seed).randbytes(5000)) in (0xC000, 0xA900)
    implicit.release()
    assert dicom.count() == 0 and dicom.stored_files() == []


@pytest.mark.parametrize("way", ["", "meta", "zeros", "vr", "letters"])
def test_what_old_devices_do_wrong_is_kept_so_that_all_read_it(dicom, way):
    made = image()
    if way == "letters":
        with warnings.catch_warnings(action="ignore"):
            made.SOPInstanceUID = "1.2.3-A.5"
    whole = encoded(made)
    sent = {
        "meta": struct.pack("<HH2sHHH2sH", 2, 0x10, b"UI", 0, 2, 0x13, b"SH", 0) + whole,
        "zeros": whole + bytes(300),
        "vr": whole.replace(b"\x10\0\x20\0LO", b"\x10\0\x20\0??"),
    }.get(way, whole)
    association = explicit(dicom)
    assert [send_raw(association, sent, made.SOPInstanceUID) for _ in range(2)] == [0, 0]
    association.release()
    (path,) = dicom.stored_files()
    assert pydicom.dcmread(path).PatientID == "P1" and encoded(pydicom.dcmread(path)) == whole
    assert until(lambda: dicom.fhir("GET", "ImagingStudy").get("entry"))[0]["resource"]["status"] == "available"


def test_what_is_not_what_was_announced_is_refused(dicom):
    association = explicit(dicom)
    assert send_raw(association, encoded(image()), "1.2.3") == 0xA900
    nameless = image()
    del nameless.StudyInstanceUID
    assert send_raw(association, encoded(nameless), nameless.SOPInstanceUID) == 0xA900
    association.release()
    assert dicom.count() == 0 and dicom.stored_files() == []


def test_a_full_disk_is_out_of_resources_and_leaves_nothing(dicom_with):
    dicom = dicom_with(dicom_reserve_mb=2**40)
    association = explicit(dicom)
    assert association.send_c_store(image()).Status == 0xA700
    association.release()
    assert dicom.count() == 0 and dicom.stored_files() == []


def test_a_connection_cut_in_a_file_leaves_nothing_and_the_next_one_is_served(dicom, tmp_path):
    made = image(256)
    association = explicit(dicom)
    data = encoded(made)
    held = association.dul.socket.socket
    uid = association.accepted_contexts[0].context_id
    association.dul.socket.send(struct.pack(">BBLLB", 4, 0, 4 + 2 + 1000, 1002, uid) + b"\0" + data[:100])
    held.close()
    assert dicom.tool("storescu", *files([made], tmp_path / "whole")).returncode == 0
    assert dicom.count() == 1


def test_garbage_and_silence_keep_no_slot(dicom_with):
    dicom = dicom_with(dicom_max_associations=20, dicom_timeout_seconds=20)
    held = []
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\1\0\xff\xff\xff\xff" + b"x" * 100, b"", b"\4\0\0\0\0\5xxxxx"):
        for _ in range(10):
            connection = socket.create_connection(("127.0.0.1", dicom.port))
            connection.sendall(garbage)
            held.append(connection)
    associations = []
    lock = threading.Lock()

    def open_one():
        association = associate(dicom, (Verification, None))
        with lock:
            associations.append(association)

    threads = [threading.Thread(target=open_one) for _ in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    established = [association for association in associations if association.is_established]
    rejected = [association for association in associations if association.is_rejected]
    assert (len(established), len(rejected)) == (20, 5)
    assert all(association.send_c_echo().Status == 0 for association in established)
    for association in established:
        association.release()
    following = until(lambda: (found := associate(dicom, (Verification, None))).is_established and found)
    following.release()
    for connection in held:
        connection.close()


def test_a_pdu_longer_than_agreed_ends_the_association(dicom):
    association = explicit(dicom)
    association.dul.socket.send(struct.pack(">BBL", 4, 0, 2**31))
    until(lambda: not association.is_established)


def test_the_same_study_from_two_senders_at_once(dicom):
    images = study(40)
    statuses = []

    def send(part):
        association = explicit(dicom)
        statuses.extend(association.send_c_store(made).Status for made in part)
        association.release()

    threads = [threading.Thread(target=send, args=(part,)) for part in (images, images[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [0] * 80
    assert (dicom.count(), dicom.count("series"), dicom.count("study")) == (40, 1, 1)
    [row] = dicom.archive.reading.all("series", {})
    assert row["instance_count"] == 40 and len(dicom.stored_files()) == 40


def test_only_known_peers_where_the_setting_says_so(dicom_with, tmp_path):
    peers = tmp_path / "peers.toml"
    peers.write_text('[[peer]]\nae_title = "MODALITY"\nhost = "127.0.0.1"\nmay = ["query"]\n')
    dicom = dicom_with(dicom_known_peers_only=True, dicom_peers=str(peers))
    assert dicom.tool("echoscu", calling="STRANGER").returncode != 0
    assert dicom.tool("echoscu", calling="MODALITY").returncode == 0
    association = explicit(dicom)
    assert association.send_c_store(image()).Status == 0x0124
    association.release()


@pytest.mark.parametrize("given", [{}, {"dicom_known_peers_only": "auto"}, {"dicom_known_peers_only": False}])
def test_a_secured_server_takes_known_peers_only_unless_it_is_told_otherwise(dicom_with, tmp_path, given):
    peers = tmp_path / "peers.toml"
    peers.write_text(
        '[[peer]]\nae_title = "MODALITY"\nhost = "127.0.0.1"\n[[peer]]\nae_title = "AWAY"\nhost = "192.0.2.1"\n'
    )
    dicom = dicom_with(security="smart", dicom_peers=str(peers), **given)
    taken = given.get("dicom_known_peers_only") is False
    assert dicom.tool("echoscu", calling="MODALITY").returncode == 0
    assert (dicom.tool("echoscu", calling="STRANGER").returncode == 0) is taken
    assert (dicom.tool("echoscu", calling="AWAY").returncode == 0) is taken


def test_compressed_syntaxes_are_negotiated_as_proposed(dicom):
    association = associate(dicom, (CTImageStorage, JPEG2000Lossless), (CTImageStorage, RLELossless))
    assert [context.transfer_syntax[0] for context in association.accepted_contexts] == [JPEG2000Lossless, RLELossless]
    association.release()


def test_a_private_syntax_gives_way_to_a_known_one(dicom):
    association = associate(dicom, (CTImageStorage, ["1.2.3.9", RLELossless, "1.2.840.10008.1.2"]))
    assert association.accepted_contexts[0].transfer_syntax == [RLELossless]
    association.release()


def test_an_association_that_falls_silent_ends(dicom_with):
    dicom = dicom_with(dicom_timeout_seconds=1)
    association = associate(dicom, (Verification, None))
    started = time.monotonic()
    until(lambda: not association.is_established, 10)
    assert time.monotonic() - started > 0.5


def test_a_series_of_another_study_is_refused_and_leaves_nothing(dicom):
    association = explicit(dicom)
    assert association.send_c_store(image(SeriesInstanceUID="1.2.3.1")).Status == 0
    assert association.send_c_store(image(SeriesInstanceUID="1.2.3.1")).Status == 0xA900
    association.release()
    assert dicom.count() == dicom.count("study") == len(dicom.stored_files()) == 1


def test_an_association_that_ended_holds_no_buffer_until_python_looks_for_cycles(dicom):
    buffers = tracemalloc.Filter(True, connection.__file__)

    def held():
        traces = tracemalloc.take_snapshot().filter_traces([buffers]).statistics("filename")
        return sum(trace.size for trace in traces)

    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(3):
            assert dicom.tool("echoscu").returncode == 0
        until(lambda: held() < connection.BUFFER)
    finally:
        tracemalloc.stop()
        gc.enable()

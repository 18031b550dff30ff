"""C-MOVE and C-GET by pynetdicom: what each response counts and lists, and what the receiver is told."""

from __future__ import annotations

import socket
from contextlib import contextmanager

import httpx
import numpy
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEGBaseline8Bit
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    MRImageStorage,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from interfaces.dicom.scu.association import associated
from interfaces.dicom.scu.checkpoint import steady
from tests.system.dicom.conftest import TITLE
from tests.system.dicom.images import encoded, image, study
from tests.system.dicom.test_serving import OPTIONS
from tests.system.process import serving

COUNTS = tuple(f"NumberOf{kind}Suboperations" for kind in ("Remaining", "Completed", "Failed", "Warning"))


def keys(level="STUDY", **attributes):
    made = Dataset()
    made.QueryRetrieveLevel = level
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def summed(status, identifier):
    """A response: its status, its counts (None where it has none), the failed instances (None for no data set)."""
    failed = identifier.get("FailedSOPInstanceUIDList") if identifier else None
    listed = [failed] if isinstance(failed, str) else list(failed) if failed is not None else None
    return status.Status, tuple(status.get(name) for name in COUNTS), listed


def get(dicom, wanted, *, classes=(CTImageStorage,), syntax=ExplicitVRLittleEndian, answers=(), cancel_at=0, role=True):
    """The responses to a C-GET and the data sets that came; answers: the statuses for the first of these."""
    entity = AE("MODALITY")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    for each in classes:
        entity.add_requested_context(each, syntax)
    came, responses, statuses = [], [], list(answers)

    def taken(event):
        came.append((event.dataset, event.file_meta))
        return statuses.pop(0) if statuses else 0

    roles = [build_role(each, scp_role=True) for each in classes] if role else []
    handlers = [(evt.EVT_C_STORE, taken)]
    association = steady(
        entity.associate("127.0.0.1", dicom.port, ae_title=TITLE, ext_neg=roles, evt_handlers=handlers)
    )
    model = StudyRootQueryRetrieveInformationModelGet
    for status, identifier in association.send_c_get(wanted, model, msg_id=7):
        responses.append(summed(status, identifier))
        if len(responses) == cancel_at:
            association.send_c_cancel(7, query_model=model)
    association.release()
    return responses, came


def keep(dicom, images):
    for made in images:
        dicom.archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))


@contextmanager
def receiving(port, seen):
    """A storage SCP that notes each request."""
    entity = AE("RECEIVER")
    entity.add_supported_context(CTImageStorage)

    def taken(event):
        seen.append((event.request, event.dataset))
        return 0

    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, taken)])
    try:
        yield
    finally:
        server.shutdown()


def move(dicom, study_uid, destination="RECEIVER"):
    entity = AE("MODALITY")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelMove)
    association = steady(entity.associate("127.0.0.1", dicom.port, ae_title=TITLE))
    wanted, model = keys(StudyInstanceUID=study_uid), StudyRootQueryRetrieveInformationModelMove
    responses = [summed(*each) for each in association.send_c_move(wanted, destination, model, msg_id=7)]
    association.release()
    return responses


def test_a_move_tells_the_receiver_who_asked_and_counts_what_remains_until_the_end(moving):
    dicom, port = moving
    images, seen = study(3), []
    keep(dicom, images)
    with receiving(port, seen):
        responses = move(dicom, images[0].StudyInstanceUID)
    assert responses == [
        (0xFF00, (2, 1, 0, 0), None),
        (0xFF00, (1, 2, 0, 0), None),
        (0xFF00, (0, 3, 0, 0), None),
        (0x0000, (None, 3, 0, 0), None),
    ]
    asked = {(each.MoveOriginatorApplicationEntityTitle.strip(), each.MoveOriginatorMessageID) for each, _ in seen}
    assert asked == {("MODALITY", 7)}
    assert [came.PixelData for _, came in seen] == [made.PixelData for made in images]


def test_an_absent_receiver_is_another_failure_than_an_unknown_one(moving):
    dicom, _ = moving
    images = study(2)
    keep(dicom, images)
    uids = [made.SOPInstanceUID for made in images]
    assert move(dicom, images[0].StudyInstanceUID) == [(0xA702, (None, 0, 2, 0), uids)]
    assert move(dicom, images[0].StudyInstanceUID, "NOBODY") == [(0xA801, (None,) * 4, None)]


def test_a_get_lists_what_could_not_be_sent(dicom):
    images = [*study(2, StudyInstanceUID="1.2.3"), image(StudyInstanceUID="1.2.3", SOPClassUID=MRImageStorage)]
    keep(dicom, images)
    responses, came = get(dicom, keys(StudyInstanceUID="1.2.3"))
    assert responses[-1] == (0xB000, (None, 2, 1, 0), [images[2].SOPInstanceUID]) and len(came) == 2
    responses, came = get(dicom, keys(StudyInstanceUID="1.2.3"), syntax=JPEGBaseline8Bit)
    assert responses[-1][:2] == (0xA702, (None, 0, 3, 0)) and len(responses[-1][2]) == 3 and not came


def test_a_get_counts_warnings_and_failures_of_the_receiver(dicom):
    images = study(3)
    keep(dicom, images)
    wanted = keys(StudyInstanceUID=images[0].StudyInstanceUID)
    responses, _ = get(dicom, wanted, answers=[0xB000, 0xA700])
    assert responses[-1] == (0xB000, (None, 1, 1, 1), [images[1].SOPInstanceUID])
    responses, _ = get(dicom, wanted, answers=[0xB000, 0xB007, 0xB006])
    assert responses[-1] == (0xB000, (None, 0, 0, 3), None)


def test_a_get_without_the_role_of_a_receiver_sends_nothing(dicom):
    images = study(1)
    keep(dicom, images)
    responses, came = get(dicom, keys(StudyInstanceUID=images[0].StudyInstanceUID), role=False)
    assert responses[-1][0] == 0xA702 and not came


def test_a_get_that_is_cancelled_tells_what_remains(dicom):
    images = study(200)
    keep(dicom, images)
    responses, came = get(dicom, keys(StudyInstanceUID=images[0].StudyInstanceUID), cancel_at=2)
    status, (remaining, completed, failed, warned), listed = responses[-1]
    assert (status, failed, warned, listed) == (0xFE00, 0, 0, None)
    assert remaining + completed == 200 and completed == len(came) < 200


def test_a_receiver_that_dies_amid_a_move_leaves_the_rest_failed_and_listed(moving):
    dicom, port = moving
    images, seen = study(4), []
    keep(dicom, images)
    uids = [made.SOPInstanceUID for made in images]

    def taken(event):
        seen.append(event.request.AffectedSOPInstanceUID)
        if len(seen) == 3:
            event.assoc.abort()
        return 0

    entity = AE("RECEIVER")
    entity.add_supported_context(CTImageStorage)
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, taken)])
    try:
        responses = move(dicom, images[0].StudyInstanceUID)
    finally:
        server.shutdown()
    assert responses[:2] == [(0xFF00, (3, 1, 0, 0), None), (0xFF00, (2, 2, 0, 0), None)]
    assert responses[2:] == [(0xB000, (None, 2, 2, 0), uids[2:])] and seen == uids[:3]


def test_what_is_larger_than_a_piece_arrives_whole(dicom):
    images = study(1, 1100)  # 2.4 MB
    keep(dicom, images)
    _, [(came, _)] = get(dicom, keys(StudyInstanceUID=images[0].StudyInstanceUID))
    assert came.PixelData == images[0].PixelData


def big_endian():
    made = image(8, PixelData=numpy.arange(64, dtype=">u2").tobytes(), RedPaletteColorLookupTableData=b"\1\2")
    made.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    return made


def test_big_endian_is_given_as_little_endian(dicom):
    made = big_endian()
    keep(dicom, [made])
    _, [(came, meta)] = get(dicom, keys(StudyInstanceUID=made.StudyInstanceUID))
    came.file_meta = meta
    assert meta.TransferSyntaxUID == ExplicitVRLittleEndian and came.Rows == 8
    assert came.pixel_array.flatten().tolist() == list(range(64))
    assert came.RedPaletteColorLookupTableData == b"\2\1"


def test_wado_gives_big_endian_as_little_endian(tmp_path):
    from io import BytesIO

    from pydicom import dcmread
    from pydicom.filewriter import dcmwrite

    made, file = big_endian(), BytesIO()
    dcmwrite(file, made, implicit_vr=False, little_endian=False)
    with serving(tmp_path / "data", *OPTIONS) as server:
        root = f"{server.origin}/dicom-web"
        headers = {"Content-Type": "application/dicom"}
        assert httpx.post(f"{root}/studies", content=file.getvalue(), headers=headers).status_code == 200
        path = f"/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"
        given = httpx.get(root + path, headers={"Accept": "application/dicom"})
    came = dcmread(BytesIO(given.content))
    assert came.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert came.pixel_array.flatten().tolist() == list(range(64))


def test_what_is_sent_does_not_wait_for_acknowledgements(moving):
    dicom, port = moving
    entity = AE("RECEIVER")
    entity.add_supported_context(Verification)
    server = entity.start_server(("127.0.0.1", port), block=False)
    try:
        peer = dicom.context.configuration.peers().named("RECEIVER")
        with associated(dicom.context, peer, entity.supported_contexts) as association:
            connection = association.dul.socket.socket
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    finally:
        server.shutdown()

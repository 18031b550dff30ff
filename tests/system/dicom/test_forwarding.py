"""Studies that go to peers which are away, refuse, or get what can't be read here any more."""

from __future__ import annotations

import contextlib
import socket
import threading

import pydicom
import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage  # pyright: ignore[reportAttributeAccessIssue]

from interfaces.dicom.archive.index import is_not
from interfaces.dicom.work import queue
from interfaces.dicom.work.forwarding import send_again
from interfaces.dicom.work.worker import Worker
from tests.system.dicom.conftest import free_port, until
from tests.system.dicom.images import image, study
from tests.system.dicom.test_query import receiver
from tests.system.dicom.test_studies import receive, resources


@pytest.fixture
def forwarding(dicom_with, tmp_path):
    """An archive that forwards CT to the peer ARCHIVE2, and the port at which that should be."""
    port = free_port()
    peers = tmp_path / "peers.toml"
    peers.write_text(
        f'[[peer]]\nae_title = "ARCHIVE2"\nhost = "127.0.0.1"\nport = {port}\n'
        '[[forward]]\nto = "ARCHIVE2"\nmodalities = ["CT"]\n'
    )
    return dicom_with(dicom_peers=str(peers)), port


def test_a_peer_that_does_not_answer_holds_up_no_study(forwarding):
    dicom, port = forwarding
    with socket.create_server(("127.0.0.1", port)) as silent:
        receive(dicom, image())
        until(lambda: dicom.count("job", kind="forward", state="running") == 1)
        receive(dicom, image(Modality="MR", PatientID="P2"))
        until(lambda: len(resources(dicom, "ImagingStudy")) == 2)
        assert dicom.count("job", kind="forward", state="running", attempts=0) == 1
        silent.accept()[0].close()


def test_a_slow_peer_holds_up_no_other_and_keeps_its_order(dicom_with, tmp_path):
    ports = {"SLOW": free_port(), "QUICK": free_port()}
    peers = tmp_path / "peers.toml"
    peers.write_text(
        "".join(
            f'[[peer]]\nae_title = "{title}"\nhost = "127.0.0.1"\nport = {port}\n[[forward]]\nto = "{title}"\n'
            for title, port in ports.items()
        )
    )
    dicom = dicom_with(dicom_peers=str(peers))
    let_go, came = threading.Event(), []

    def taken(event):
        let_go.wait(60)
        came.append(event.dataset.StudyInstanceUID)
        return 0

    slow = AE("SLOW")
    slow.add_supported_context(CTImageStorage)
    server = slow.start_server(("127.0.0.1", ports["SLOW"]), block=False, evt_handlers=[(evt.EVT_C_STORE, taken)])
    process = receiver(tmp_path / "got", ports["QUICK"])
    try:
        images = [image(PatientID=f"P{number}", StudyInstanceUID=f"1.2.{number}") for number in range(1, 4)]
        for number, made in enumerate(images, 1):
            receive(dicom, made)
            until(lambda number=number: len(list((tmp_path / "got").iterdir())) == number)
            until(lambda number=number: dicom.count("job") == number)
        assert dicom.count("job", kind="forward", state="running") == 1 and not came
        let_go.set()
        until(lambda: dicom.count("job") == 0)
    finally:
        let_go.set()
        assert server is not None
        server.shutdown()
        process.terminate()
        process.wait()
    assert came == [made.StudyInstanceUID for made in images]


def test_a_peer_that_is_away_is_never_given_up(forwarding):
    dicom, _ = forwarding
    receive(dicom, image())
    until(lambda: dicom.count("job", kind="forward", attempts=is_not(0)))
    [row] = dicom.archive.reading.all("job", {"kind": "forward"})
    tried = queue.Job(row["pk"], "forward", row["key"], row["round"], queue.ATTEMPTS + 5, {})
    dicom.context.fhir.call(lambda client: Worker(dicom.context).perform(client, tried))
    [after] = dicom.archive.reading.all("job", {"kind": "forward"})
    assert after["state"] == "waiting" and "does not answer" in after["problem"]


def test_a_peer_that_is_away_is_not_called_for_each_study(forwarding):
    dicom, port = forwarding
    calls = []

    def refuse(server):
        with contextlib.suppress(OSError):
            while True:
                calls.append(server.accept()[0].close())

    with socket.create_server(("127.0.0.1", port)) as server:
        threading.Thread(target=refuse, args=(server,), daemon=True).start()
        receive(dicom, *(image(PatientID=f"P{number}") for number in range(40)))

        def all_put_off():
            jobs = dicom.archive.reading.all("job", {"kind": "forward"})
            return len(jobs) == 40 and all(job["due"] > dicom.archive.clock() for job in jobs)

        until(all_put_off, 60)
        assert len(calls) < 20
        server.shutdown(socket.SHUT_RDWR)


def test_what_a_person_wants_sent_or_what_comes_again_after_a_deletion_goes_to_a_peer_once_more(forwarding, tmp_path):
    dicom, port = forwarding
    images = study(2)
    process = receiver(tmp_path / "got", port)

    def arrived():
        until(lambda: len(list((tmp_path / "got").iterdir())) == 2 and dicom.count("job") == 0)
        for each in (tmp_path / "got").iterdir():
            each.unlink()

    try:
        receive(dicom, *images)
        arrived()
        send_again(dicom.archive, "ARCHIVE2", images[0].StudyInstanceUID)
        arrived()
        dicom.archive.delete({"0020000D": images[0].StudyInstanceUID})
        until(lambda: dicom.count("job") == 0)
        receive(dicom, *images)
        arrived()
    finally:
        process.terminate()
        process.wait()


def test_a_peer_that_takes_none_of_the_classes_is_told_as_such_and_given_up(forwarding, tmp_path):
    dicom, port = forwarding
    process = receiver(tmp_path / "got", port)
    try:
        receive(dicom, image(SOPClassUID="1.2.3.4.5"))
        until(lambda: dicom.count("job", kind="forward", attempts=is_not(0)))
        [row] = dicom.archive.reading.all("job", {"kind": "forward"})
        tried = queue.Job(row["pk"], "forward", row["key"], row["round"], queue.ATTEMPTS - 1, {})
        worker = Worker(dicom.context)
        dicom.context.fhir.call(lambda client: worker.perform(client, tried))
    finally:
        process.terminate()
        process.wait()
    [after] = dicom.archive.reading.all("job", {"kind": "forward"})
    assert after["state"] == "failed" and "takes no SOP class" in after["problem"]
    assert not worker._away  # other studies for it need not wait


@pytest.mark.parametrize("size", [0, 700])
def test_an_instance_that_can_not_be_read_holds_up_no_other(forwarding, tmp_path, size):
    dicom, port = forwarding
    lost, *others = images = study(3)
    receive(dicom, *images)
    until(lambda: dicom.count("job", kind="forward", attempts=1) == 1)
    path = dicom.archive.files.local(dicom.archive.reading.one("instance", {"uid": lost.SOPInstanceUID})["digest"])
    path.write_bytes(path.read_bytes()[:size]) if size else path.unlink()
    process = receiver(tmp_path / "got", port)
    try:
        [job] = dicom.archive.reading.all("job", {"kind": "forward"})
        given = queue.Job(job["pk"], "forward", job["key"], job["round"], 0, {})
        dicom.context.fhir.call(lambda client: Worker(dicom.context).perform(client, given))
    finally:
        process.terminate()
        process.wait()
    got = {pydicom.dcmread(each).SOPInstanceUID for each in (tmp_path / "got").iterdir()}
    assert got == {made.SOPInstanceUID for made in others}
    [job] = dicom.archive.reading.all("job", {"kind": "forward"})
    assert f"1 of 3 instances: {lost.SOPInstanceUID}" in job["problem"]

"""What goes out by associations is in the audit log, before it goes: to whom, by what, whose data."""

from __future__ import annotations

import subprocess

import msgspec
import pytest

from fhir_server.bootstrap import opened_audit
from fhir_server.client import NamedClient
from fhir_server.core.errors import error
from tests.system.dicom.conftest import dcmtk, free_port, listening, until
from tests.system.dicom.images import files, image
from tests.system.dicom.procedure_steps import associated, step
from tests.system.dicom.test_studies import idle, person, receive
from tests.system.dicom.test_workflow import scheduled
from tests.system.dicom.watching import Watcher, watched_by

ROOT, STUDY = ("-k", "0020,000d=1.2.3"), ("-k", "0008,0052=STUDY")


@pytest.fixture
def dicom(tmp_path):
    """An archive with an audit log, two studies of p1 and p2, and the peers WATCHER and RECEIVER."""
    watcher, port = Watcher("WATCHER"), free_port()
    watcher.start()
    receiver = f'[[peer]]\nae_title = "RECEIVER"\nhost = "127.0.0.1"\nport = {port}\n'
    with listening(msgspec.structs.replace(watched_by(tmp_path, watcher, more=receiver), audit="on")) as found:
        for number in (1, 2):
            person(found, f"p{number}", f"P{number}")
            receive(found, image(StudyInstanceUID=f"1.2.{number + 2}", PatientID=f"P{number}", AccessionNumber=""))
        idle(found)
        found.watcher, found.receiver = watcher, port
        yield found
    watcher.stop()


def events(dicom, path):
    """The receiver and the patients of each event of a path, oldest first."""
    with opened_audit(dicom.context.settings) as log:
        log.take_in()
        kept = [event for _, event in log.oldest_first()]
    return [(event.client, event.action, event.patients) for event in kept if event.path == path]


def test_what_is_received_is_committed_with_its_event(dicom):
    with opened_audit(dicom.context.settings) as log:
        log.take_in()
        kept = [event for _, event in log.oldest_first()]
    [event] = [each for each in kept if "p1" in each.patients and "ImagingStudy/" in "".join(each.written)]
    assert (event.client, event.outcome) == ("DICOM", "0")


def test_a_query_tells_whose_studies_it_has_shown(dicom):
    dicom.tool("findscu", "-S", *STUDY, *ROOT)
    assert events(dicom, "dicom/C-FIND/STUDY") == [("MODALITY", "E", ("p1",))]
    dicom.tool("findscu", "-S", *STUDY, "-k", "0020,000d")
    dicom.tool("findscu", "-S", *STUDY, "-k", "0020,000d=9.9")
    assert events(dicom, "dicom/C-FIND/STUDY")[1:] == [("MODALITY", "E", ("p1", "p2")), ("MODALITY", "E", ())]
    dicom.tool("findscu", "-P", "-k", "0008,0052=PATIENT", "-k", "0010,0020=P2")
    assert events(dicom, "dicom/C-FIND/PATIENT") == [("MODALITY", "E", ("p2",))]


def test_the_worklist_tells_whose_orders_it_has_shown(dicom):
    scheduled(dicom)
    dicom.tool("findscu", "-W", "-k", "0010,0020")
    assert events(dicom, "dicom/C-FIND/worklist") == [("MODALITY", "E", ("p1",))]


def test_a_retrieval_tells_to_whom_which_studies_went(dicom, tmp_path):
    (tmp_path / "got").mkdir()
    (tmp_path / "moved").mkdir()
    assert dicom.tool("getscu", "-S", "-od", tmp_path / "got", *STUDY, *ROOT).returncode == 0
    assert events(dicom, "dicom/C-GET/1.2.3") == [("MODALITY", "R", ("p1",))]
    run = [dcmtk("storescp"), "-od", str(tmp_path / "moved"), str(dicom.receiver)]
    receiver = subprocess.Popen(run)
    try:
        moved = ("-aem", "RECEIVER", *STUDY, "-k", "0020,000d=1.2.4")
        while dicom.tool("movescu", "-S", *moved).returncode:
            assert receiver.poll() is None
    finally:
        receiver.terminate()
        receiver.wait()
    assert events(dicom, "dicom/C-MOVE/MODALITY/1.2.4")[-1] == ("RECEIVER", "R", ("p2",))


def test_procedure_steps_and_their_events_tell_whose_they_are(dicom):
    with associated(dicom) as peer:
        _, uid = peer.create(step(PatientID="P2"))
        idle(dicom)
        assert peer.get(uid).ProcedureStepState == "SCHEDULED"
        assert peer.act(uid, 3, ReceivingAE="WATCHER", DeletionLock="FALSE") == 0
    idle(dicom)
    assert dicom.watcher.next(uid)[0] == 1
    assert events(dicom, f"dicom/N-GET/workitems/{uid}") == [("PERFORMER", "R", ("p2",))]
    assert events(dicom, "dicom/N-EVENT-REPORT/workitems") == [("WATCHER", "R", ("p2",))]


def test_what_is_refused_is_kept_too(dicom_with, tmp_path):
    peers = tmp_path / "peers.toml"
    peers.write_text('[[peer]]\nae_title = "MODALITY"\nhost = "127.0.0.1"\nmay = ["worklist"]\n')
    dicom = dicom_with(security="smart", dicom_peers=str(peers))
    dicom.tool("echoscu", calling="STRANGER")
    dicom.tool("findscu", "-S", *STUDY)
    dicom.tool("storescu", *files([image()], tmp_path / "sent"))
    until(lambda: events(dicom, "dicom/association"))  # kept once the association is rejected
    for path, client in (("association", "STRANGER"), ("query", "MODALITY"), ("store", "MODALITY")):
        assert events(dicom, f"dicom/{path}") == [(client, "E", ())]
    with opened_audit(dicom.context.settings) as log:
        assert {(event.outcome, event.status) for _, event in log.oldest_first()} == {("4", 403)}


def test_nothing_goes_where_the_log_can_not_have_it(dicom, tmp_path, monkeypatch):
    async def full(*given):
        raise error("unavailable", "The audit log has no place.")

    monkeypatch.setattr(NamedClient, "disclosed", full)
    found = dicom.tool("findscu", "-d", "-S", *STUDY, *ROOT)
    assert "0xc311" in (found.stdout + found.stderr).lower() and "(0020,000d) UI [1.2.3] " not in found.stdout
    dicom.tool("getscu", "-S", "-od", tmp_path, *STUDY, *ROOT)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".dcm" or path.name.startswith("CT")]

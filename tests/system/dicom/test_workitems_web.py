"""UPS-RS, by plain HTTP to the application; its subscribers are peers over associations."""

from __future__ import annotations

import functools
from typing import Any

import httpx
import pytest
from pydicom.uid import generate_uid

from fhir_server.commands.opening import store
from interfaces.dicom.web.access import Access
from interfaces.dicom.web.application import DicomWeb
from interfaces.dicom.web.native import native
from tests.system.dicom.conftest import listening, until
from tests.system.dicom.procedure_steps import code, dataset, performed, step
from tests.system.dicom.test_studies import resources
from tests.system.dicom.watching import Watcher, watched_by

JSON = {"content-type": "application/dicom+json"}
STATE, LABEL, TRANSACTION = "00741000", "00741204", "00081195"


@pytest.fixture(scope="module")
def watcher():
    made = Watcher("WATCHER")
    made.start()
    yield made
    made.stop()


class Web:
    """The application of DICOMweb beside an archive that listens, asked as over HTTP."""

    def __init__(self, dicom, settings):
        self._call = dicom.context.fhir.call
        self.tasks = lambda *query: resources(dicom, "Task", *query)
        application = DicomWeb(dicom.archive, settings, Access(self._call(_itself)))
        transport = httpx.ASGITransport(application)  # pyright: ignore[reportArgumentType]
        self._client = httpx.AsyncClient(transport=transport, base_url="http://archive/dicom-web")

    def __getattr__(self, method):
        return lambda path, **options: self._call(lambda _: self._client.request(method.upper(), path, **options))


async def _itself(server):
    return server


@pytest.fixture(scope="module")
def web(tmp_path_factory, watcher):
    settings = watched_by(tmp_path_factory.mktemp("workitems"), watcher)
    with listening(settings, functools.partial(store, settings, existing=False)) as dicom:
        yield Web(dicom, settings)


def body(*models):
    return [made if isinstance(made, dict) else made.to_json_dict() for made in models]


def create(web, made=None, query="", **attributes):
    answer = web.post(f"/workitems{query}", json=body(made or step(**attributes)), headers=JSON)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == answer.headers["content-location"]
    return answer.headers["location"].rsplit("/", 1)[1]


def change(web, uid, state, transaction="", query=""):
    given = dataset(ProcedureStepState=state, **({"TransactionUID": transaction} if transaction else {}))
    return web.put(f"/workitems/{uid}/state{query}", json=body(given), headers=JSON)


def begin(web, **attributes):
    uid, transaction = create(web, **attributes), generate_uid()
    assert change(web, uid, "IN PROGRESS", transaction).status_code == 200
    return uid, transaction


def test_a_step_from_its_creation_to_its_end(web):
    uid = create(web, PatientName="Müller^Jörg")
    [found] = web.get(f"/workitems/{uid}").json()
    assert found[STATE]["Value"] == ["SCHEDULED"] and found["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert (
        web.post(f"/workitems/{uid}", json=body(dataset(ProcedureStepLabel="Other")), headers=JSON).status_code == 200
    )

    transaction = generate_uid()
    assert change(web, uid, "IN PROGRESS", transaction, "?requester=WS1").status_code == 200
    assert change(web, uid, "COMPLETED", transaction).status_code == 409
    for query in (f"?transaction={transaction}", f"?{transaction}", f"?TransactionUID={transaction}"):
        answer = web.post(f"/workitems/{uid}{query}", json=body(dataset(**performed())), headers=JSON)
        assert answer.status_code == 200, query
    assert change(web, uid, "COMPLETED", transaction).status_code == 200
    [found] = web.get(f"/workitems/{uid}").json()
    assert found[STATE]["Value"] == ["COMPLETED"] and found[LABEL]["Value"] == ["Other"] and TRANSACTION not in found
    again = change(web, uid, "COMPLETED", transaction)
    assert again.status_code == 200 and "already in the requested state of COMPLETED" in again.headers["warning"]

    search = (("identifier", f"urn:dicom:uid|urn:oid:{uid}"), ("status", "completed"))
    [task] = until(lambda: web.tasks(*search))
    assert task["owner"]["identifier"]["value"] == "WS1"


def test_a_uid_is_taken_from_the_query_or_the_data_set(web):
    first, second, third = (generate_uid() for _ in range(3))
    assert create(web, query=f"?workitem={first}") == first
    assert create(web, query=f"?{second}") == second
    assert create(web, SOPInstanceUID=third) == third
    answer = web.post(f"/workitems?AffectedSOPInstanceUID={first}", json=body(step()), headers=JSON)
    assert answer.status_code == 409 and "0111" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"", JSON, 400),
        (b"[", JSON, 400),
        (b"[]", JSON, 400),
        (b"[{}, {}]", JSON, 400),
        (b'[{"00741000": 5}]', JSON, 400),
        (b'[{"00741000": {"vr": "CS", "Value": "SCHEDULED"}}]', JSON, 400),
        (b'[{"0040": {"vr": "CS"}}]', JSON, 400),
        (b"[{}]", {"content-type": "text/plain"}, 415),
        (b"<x/>", {"content-type": "application/dicom+xml"}, 400),
        (b"0" * (4 * 2**20 + 1), JSON, 413),
    ],
)
def test_a_body_that_is_no_step_is_refused(web, content, headers, expected):
    answer = web.post("/workitems", content=content, headers=headers)
    assert answer.status_code == expected and answer.json()["issue"][0]["diagnostics"]


def test_attributes_are_in_the_order_of_their_tags_at_any_depth(web):
    uid = create(web)
    assert web.post(f"/workitems/{uid}/cancelrequest").status_code == 202
    [model] = web.get(f"/workitems/{uid}").json()
    [progress] = model["00741002"]["Value"]
    assert list(model) == sorted(model) and list(progress) == sorted(progress)


def test_a_step_comes_and_goes_as_xml(web):
    headers = {"content-type": "application/dicom+xml"}
    answer = web.post("/workitems", content=native(step(ProcedureStepLabel="By XML").to_json_dict()), headers=headers)
    assert answer.status_code == 201
    found = web.get(answer.headers["location"], headers={"accept": 'multipart/related; type="application/dicom+xml"'})
    assert b"By XML" in found.content and found.headers["content-type"].startswith("multipart/related")


def test_what_the_state_or_the_lock_forbids(web):
    uid = create(web)
    label = body(dataset(ProcedureStepLabel="Mine"))
    unknown = generate_uid()
    assert web.get(f"/workitems/{unknown}").status_code == change(web, unknown, "COMPLETED", "1.2").status_code == 404
    assert web.post(f"/workitems/{unknown}", json=label, headers=JSON).status_code == 404
    assert web.post(f"/workitems/{uid}?transaction=1.2.3", json=label, headers=JSON).status_code == 400
    assert change(web, uid, "COMPLETED", "1.2.3").status_code == 409
    assert change(web, uid, "IN PROGRESS").status_code == change(web, uid, "RUNNING", "1.2.3").status_code == 400
    uid, transaction = begin(web)
    assert web.post(f"/workitems/{uid}", json=label, headers=JSON).status_code == 400
    refused = change(web, uid, "COMPLETED", "1.2.3")
    assert refused.status_code == 400 and "Transaction UID" in refused.headers["warning"]
    assert change(web, uid, "IN PROGRESS", transaction).status_code == 409
    assert web.post(f"/workitems/{uid}/cancelrequest").status_code == 409
    assert web.patch(f"/workitems/{uid}").status_code == 405 and web.get(f"/workitems/{uid}/none").status_code == 404


def test_a_request_to_cancel(web):
    uid = create(web)
    reason = body(dataset(ReasonForCancellation="No more needed"))
    assert web.post(f"/workitems/{uid}/cancelrequest", json=reason, headers=JSON).status_code == 202
    again = web.post(f"/workitems/{uid}/cancelrequest")
    assert again.status_code == 202 and "already in the requested state of CANCELED" in again.headers["warning"]
    [found] = web.get(f"/workitems/{uid}").json()
    assert found["00741002"]["Value"][0]["00741238"]["Value"] == ["No more needed"]


def test_steps_are_searched(web):
    label = generate_uid()[-16:]
    first = create(web, WorklistLabel=label, ReferencedRequestSequence=[dataset(AccessionNumber="A1")])
    second = create(web, WorklistLabel=label, ScheduledWorkitemCodeSequence=[code("110013", "Print")])
    begun, _ = begin(web, WorklistLabel=label, PatientID="Q1")

    def search(query) -> Any:
        answer = web.get(f"/workitems?WorklistLabel={label}&{query}")
        return [each["00080018"]["Value"][0] for each in answer.json()] if answer.status_code == 200 else answer

    assert search("") == search("includefield=all") == [first, second, begun]
    assert search("ProcedureStepState=SCHEDULED") == search("00741000=SCHEDULED") == [first, second]
    assert search("ReferencedRequestSequence.AccessionNumber=A1") == [first]
    assert search("ScheduledWorkitemCodeSequence.CodeValue=110013") == [second]
    assert search("ScheduledProcedureStepStartDateTime=20260101-20260102&PatientID=Q*") == [begun]
    assert search("limit=1&offset=1") == [second]
    assert search("PatientID.CodeValue=1").status_code == 400
    assert search("PatientID=none").status_code == 204 and search("Nonsense=1").status_code == 400
    assert "more results" in web.get(f"/workitems?WorklistLabel={label}&limit=2").headers["warning"]


def test_subscribers_are_told_over_associations(web, watcher):
    uid = create(web)
    assert web.post(f"/workitems/{uid}/subscribers/WATCHER?deletionlock=true").status_code == 201
    assert web.post(f"/workitems/{uid}/cancelrequest").status_code == 202
    assert watcher.states(uid, 3) == ["SCHEDULED", "IN PROGRESS", "CANCELED"]
    assert web.delete(f"/workitems/{uid}/subscribers/WATCHER").status_code == 200
    assert web.delete(f"/workitems/{uid}/subscribers/WATCHER").status_code == 404

    some, everything = "/workitems/1.2.840.10008.5.1.4.34.5.1", "/workitems/1.2.840.10008.5.1.4.34.5"
    keys = "filter=ScheduledProcedureStepPriority=HIGH,WorklistLabel=WATCHED"
    assert web.post(f"{some}/subscribers/WATCHER?{keys}").status_code == 201
    create(web)
    matching = create(web, WorklistLabel="WATCHED")
    assert watcher.states(matching, 1) == ["SCHEDULED"]
    assert web.post(f"{some}/subscribers/WATCHER/suspend").status_code == 200
    assert web.post(f"{everything}/subscribers/WATCHER/suspend").status_code == 404
    create(web, WorklistLabel="WATCHED")
    assert web.post(f"/workitems/{matching}/cancelrequest").status_code == 202
    assert watcher.states(matching, 2) == ["IN PROGRESS", "CANCELED"]
    assert web.delete(f"{everything}/subscribers/WATCHER").status_code == 200


def test_what_is_no_subscription(web):
    uid = create(web)
    assert web.post(f"/workitems/{uid}/subscribers/A-TITLE-THAT-IS-TOO-LONG").status_code == 400
    assert web.post(f"/workitems/{uid}/subscribers/WATCHER?deletionlock=maybe").status_code == 400
    assert web.post(f"/workitems/{generate_uid()}/subscribers/WATCHER").status_code == 404
    assert web.post("/workitems/1.2.840.10008.5.1.4.34.5.1/subscribers/WATCHER").status_code == 400
    channel = web.get("/subscribers/WATCHER")
    assert channel.status_code == 409 and "N-EVENT-REPORT" in channel.json()["issue"][0]["diagnostics"]

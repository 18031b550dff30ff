"""What every index of the DICOM archive does; MongoDB's where HMS_TEST_MONGODB_URL names a server."""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.core.erasing import Erased
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.erasing import Erasing
from interfaces.dicom.archive.index import QUARANTINED, Index, at_most, is_not, one_of
from interfaces.dicom.archive.instances import chosen, instances
from interfaces.dicom.archive.levels import IMAGE, PATIENT, SERIES, STUDY
from interfaces.dicom.archive.placing import Outcome, enqueue, place, quarantine, remove_instance
from interfaces.dicom.archive.query import find
from interfaces.dicom.archive.record import Mismatch, Record
from interfaces.dicom.dataset.model import text
from interfaces.dicom.work import quarantine as quarantines
from interfaces.dicom.work import queue
from tests.system.dicom.images import encoded, image, study

URL = "HMS_TEST_MONGODB_URL"
CT, SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.11"


@pytest.fixture(params=["sqlite", "mongodb"], scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "mongodb" and URL not in os.environ:
        pytest.skip(f"{URL} names no server")
    return request.param


def open_index(kind: str, folder: Path, name: str) -> Index:
    if kind == "sqlite":
        from interfaces.dicom.archive.sqlite.store import SqliteIndex

        return SqliteIndex(folder / f"{name}.sqlite", "NORMAL")
    from interfaces.dicom.archive.mongo.store import open_index

    return open_index(os.environ[URL], name)


def drop(kind: str, name: str) -> None:
    if kind == "mongodb":
        from pymongo import MongoClient

        with MongoClient(os.environ[URL]) as client:
            client.drop_database(name)


@pytest.fixture
def opened(kind: str, tmp_path: Path) -> Iterator[Any]:
    """Opens the index of the test, as often as it likes."""
    name, made = f"test-{uuid.uuid4().hex[:16]}", []

    def start() -> Index:
        made.append(open_index(kind, tmp_path, name))
        return made[-1]

    yield start
    for index in made:
        index.close()
    drop(kind, name)


@pytest.fixture
def index(opened: Any) -> Index:
    return opened()


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": [{"Alphabetic": each} if vr == "PN" else each for each in values]}


def record(study: str, series: str, instance: str, digest: str = "", **other: Any) -> Record:
    """A record; other: patient, issuer, name, birth, sex, date, accession, modality, number, sop_class, size."""
    given = {
        "patient": "P1", "issuer": "H", "name": "Müller^Anna", "birth": "19700101", "sex": "F", "date": "20260110",
        "accession": "A1", "modality": "CT", "series_number": 1, "number": 1, "sop_class": CT, "size": 100,
        "description": "Thorax",
    } | other  # fmt: skip
    patient = {
        "00100010": element("PN", given["name"]),
        "00100020": element("LO", given["patient"]),
        "00100021": element("LO", given["issuer"]),
        "00100030": element("DA", given["birth"]),
        "00100040": element("CS", given["sex"]),
    }
    of_study = {
        "0020000D": element("UI", study),
        "00080020": element("DA", given["date"]),
        "00080030": element("TM", "101500"),
        "00080050": element("SH", given["accession"]),
        "00081030": element("LO", given["description"]),
        "00081032": {"vr": "SQ", "Value": [{"00080100": element("SH", "CODE" + given["accession"])}]},
    }
    of_series = {
        "0020000E": element("UI", series),
        "00080060": element("CS", given["modality"]),
        "00200011": element("IS", given["series_number"]),
    }
    of_instance = {
        "00080016": element("UI", given["sop_class"]),
        "00080018": element("UI", instance),
        "00200013": element("IS", given["number"]),
    }
    digest = digest or f"digest of {instance}"
    return Record(
        patient, of_study, of_series, of_instance, given["sop_class"], instance, study, series, "1.2.840.10008.1.2.1",
        digest, given["size"], 300, "MODALITY",
    )  # fmt: skip


def put(index: Index, made: Record, duplicates: Any = "refuse", now: int = 1) -> Outcome:
    return index.write(lambda rows: place(rows, made, now, duplicates, now + 10), durable=False)


def counted(index: Index | Archive) -> list[tuple[str, int]]:
    """Each series with how many instances it has."""
    return [(row["uid"], row["instance_count"]) for row in index.reading.all("series", {}, "uid")]


@pytest.fixture(scope="module")
def archive(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """Three studies of two patients, only read by tests."""
    name = f"test-{uuid.uuid4().hex[:16]}"
    index = open_index(kind, tmp_path_factory.mktemp("index"), name)
    anna = {"patient": "P1", "name": "Müller^Anna"}
    bo = {"patient": "P2", "name": "Li^Bo [x]", "sex": "M", "birth": "19850505", "accession": "B-2", "date": "20260220"}
    for number in (2, 1, 3):
        put(index, record("1.1", "1.1.1", f"1.1.1.{number}", number=number, **anna))
    put(index, record("1.1", "1.1.2", "1.1.2.1", modality="MR", series_number=None, **anna))
    put(index, record("1.2", "1.2.1", "1.2.1.1", **anna, accession="A2", date="20260301", description="Schädel*"))
    put(index, record("2.1", "2.1.1", "2.1.1.1", modality="SR", sop_class=SR, **bo))
    yield index
    index.close()
    drop(kind, name)


UIDS = {PATIENT: "00100020", STUDY: "0020000D", SERIES: "0020000E", IMAGE: "00080018"}
ALL = {
    PATIENT: ["P1", "P2"],
    STUDY: ["1.1", "1.2", "2.1"],
    SERIES: ["1.1.1", "1.1.2", "1.2.1", "2.1.1"],
    IMAGE: ["1.1.1.2", "1.1.1.1", "1.1.1.3", "1.1.2.1", "1.2.1.1", "2.1.1.1"],
}
CODE = {"vr": "SQ", "Value": [{"00080100": element("SH", "CODEA2")}]}
QUERIES = [
    (PATIENT, {}, ALL[PATIENT]),
    (STUDY, {}, ALL[STUDY]),
    (SERIES, {}, ALL[SERIES]),
    (IMAGE, {}, ALL[IMAGE]),
    (PATIENT, {"00100010": element("PN", "MULLER*")}, ["P1"]),
    (PATIENT, {"00100010": element("PN", "*b?*")}, ["P2"]),
    (PATIENT, {"00100010": element("PN", "li^bo [x]")}, ["P2"]),
    (PATIENT, {"00100010": element("PN", "li^bo [y*")}, []),
    (PATIENT, {"00100030": element("DA", "19800101-")}, ["P2"]),
    (PATIENT, {"00100040": element("CS", "F", "O")}, ["P1"]),
    (STUDY, {"00100010": element("PN", "müller^anna")}, ["1.1", "1.2"]),
    (STUDY, {"00100020": element("LO", "P?"), "00080020": element("DA", "-20260220")}, ["1.1", "2.1"]),
    (STUDY, {"0020000D": element("UI", "2.1", "1.1", "9.9")}, ["1.1", "2.1"]),
    (STUDY, {"0020000D": element("UI", "2.1", *(f"9.{number}" for number in range(3000)))}, ["2.1"]),
    (STUDY, {"00080050": element("SH", "A2", *(f"X{number}*" for number in range(3000)))}, ["1.2"]),
    (STUDY, {"00080020": element("DA", "20260201-20260301")}, ["1.2", "2.1"]),
    (STUDY, {"00080030": element("TM", "1015")}, ["1.1", "1.2", "2.1"]),
    (STUDY, {"00080050": element("SH", "B-2")}, ["2.1"]),
    (STUDY, {"00080050": element("SH", "b-2")}, []),
    (STUDY, {"00081030": element("LO", "Sch?del*")}, ["1.2"]),
    (STUDY, {"00081030": element("LO", "*ora*")}, ["1.1", "2.1"]),
    (STUDY, {"00080061": element("CS", "MR")}, ["1.1"]),
    (STUDY, {"00080061": element("CS", "MR", "SR")}, ["1.1", "2.1"]),
    (STUDY, {"00080061": element("CS", "?T")}, ["1.1", "1.2"]),
    (STUDY, {"00080060": element("CS", "CT")}, ["1.1", "1.2"]),
    (STUDY, {"00080060": element("CS", "XA", "MR")}, ["1.1"]),
    (STUDY, {"00081032": CODE}, ["1.2"]),
    (SERIES, {"0020000D": element("UI", "1.1")}, ["1.1.1", "1.1.2"]),
    (SERIES, {"00200011": element("IS", 1), "00100020": element("LO", "P1")}, ["1.1.1", "1.2.1"]),
    (SERIES, {"00200011": element("IS", "99999999999999999999")}, []),
    (SERIES, {"00080060": element("CS", "M*"), "00100010": element("PN", "Mul*")}, ["1.1.2"]),
    (IMAGE, {"00080018": element("UI", "1.1.1.3", "2.1.1.1")}, ["1.1.1.3", "2.1.1.1"]),
    (IMAGE, {"00080016": element("UI", SR)}, ["2.1.1.1"]),
    (IMAGE, {"00200013": element("IS", "1"), "0020000E": element("UI", "1.1.1")}, ["1.1.1.1"]),
    (IMAGE, {"00080020": element("DA", "20260301")}, ["1.2.1.1"]),
]


@pytest.mark.parametrize(("level", "keys", "wanted"), QUERIES)
def test_matching(archive: Index, level: str, keys: Any, wanted: list[str]):
    found = find(archive.reading, level, keys, ordered=True)
    assert [text(match.model, UIDS[level]) for match in found] == wanted


def test_names_match_by_words_where_fuzzy_matching_is_asked_for(archive: Index):
    for name, wanted in (("anna", ["P1"]), ("bo li", ["P2"]), ("ann mul", ["P1"]), ("nna", []), ("[x", ["P2"])):
        found = find(archive.reading, PATIENT, {"00100010": element("PN", name)}, fuzzy=True)
        assert [text(match.model, "00100020") for match in found] == wanted, name


def test_counts(archive: Index):
    keys = {tag: {"vr": "IS"} for tag in ("00201200", "00201202", "00201204")}
    first, _ = find(archive.reading, PATIENT, keys, ordered=True)
    assert [first.model[tag]["Value"] for tag in keys] == [[2], [3], [5]]
    study = next(find(archive.reading, STUDY, {"00080062": {"vr": "UI"}, "0020000D": element("UI", "1.1")}))
    assert [study.model[tag]["Value"] for tag in ("00201206", "00201208", "00080061", "00080062")] == [
        [2], [4], ["CT", "MR"], [CT],
    ]  # fmt: skip
    series = next(find(archive.reading, SERIES, {"0020000E": element("UI", "1.1.1")}))
    assert series.model["00201209"]["Value"] == [3]
    for level, uid in ((SERIES, "1.1.2"), (IMAGE, "1.1.2.1")):
        below = next(find(archive.reading, level, {UIDS[level]: element("UI", uid)}))
        assert [below.model[tag]["Value"] for tag in ("00201206", "00201208", "00201209")] == [[2], [4], [1]]


def test_pages(archive: Index):
    for keys in ({}, {"00081032": {"vr": "SQ", "Value": [{"00080100": element("SH", "CODE*")}]}}):
        pages = [find(archive.reading, IMAGE, keys, limit=2, offset=at, ordered=True) for at in (0, 2, 4, 6)]
        assert [[match.row["instance_uid"] for match in page] for page in pages] == [
            ALL[IMAGE][:2], ALL[IMAGE][2:4], ALL[IMAGE][4:], [],
        ]  # fmt: skip
    assert list(find(archive.reading, IMAGE, {}, limit=0)) == []


def test_instances_come_by_series_and_number(archive: Index):
    found = instances(archive.reading, {"0020000D": "1.1"})
    assert [row["instance_uid"] for row in found] == ["1.1.2.1", "1.1.1.1", "1.1.1.2", "1.1.1.3"]
    assert (found[0]["digest"], found[0]["start"], found[0]["study_uid"]) == ("digest of 1.1.2.1", 300, "1.1")
    by_patient = chosen(archive.reading, {"00100020": element("LO", "P2")})
    assert [row["instance_uid"] for row in by_patient] == ["2.1.1.1"]
    assert chosen(archive.reading, {"00100010": element("PN", "Li*")}) == []


def test_an_instance_is_there_once(index: Index):
    assert put(index, record("1", "1.1", "1.1.1", "a")) is Outcome.NEW
    assert put(index, record("1", "1.1", "1.1.1", "a")) is Outcome.SAME
    assert put(index, record("1", "1.1", "1.1.1", "b")) is Outcome.REFUSED
    assert put(index, record("1", "1.1", "1.1.1", "b"), "keep") is Outcome.KEPT
    assert [row["digest"] for row in index.reading.all("instance", {})] == ["a"]
    assert put(index, record("2", "2.1", "1.1.1", "b", patient="P2"), "replace") is Outcome.REPLACED
    assert [row["digest"] for row in index.reading.all("instance", {})] == ["b"]
    assert [row["uid"] for row in index.reading.all("study", {})] == ["2"]
    assert [row["patient_id"] for row in index.reading.all("patient", {})] == ["P2"]
    assert len(index.reading.all("event", {"kind": one_of(["duplicate", "replaced"])})) == 3
    assert put(index, record("2", "2.2", "1.1.1", "c", patient="P2"), "replace") is Outcome.REPLACED
    assert counted(index) == [("2.2", 1)]
    assert [(row["uid"], row["series_count"]) for row in index.reading.all("study", {})] == [("2", 1)]


def test_what_nothing_is_left_of_goes_with_its_last_instance(index: Index):
    for uid, series in (("1", "a"), ("2", "a"), ("3", "b")):
        put(index, record("1", series, uid, "same", modality=series, size=7))
    assert index.write(lambda rows: remove_instance(rows, "3")) == []
    study = index.reading.one("study", {"uid": "1"})
    assert study is not None
    assert (study["series_count"], study["modalities"]) == (1, "\\a\\") and counted(index) == [("a", 2)]
    assert index.write(lambda rows: remove_instance(rows, "1")) == []
    assert index.write(lambda rows: remove_instance(rows, "2")) == ["same"]
    assert index.write(lambda rows: remove_instance(rows, "2")) is None
    assert [index.reading.all(table, {}) for table in ("patient", "study", "series", "instance")] == [[]] * 4


def test_another_patient_in_a_study_holds_it(index: Index):
    put(index, record("1", "1.1", "1.1.1"))
    put(index, record("1", "1.1", "1.1.2", patient="P2"))
    study = index.reading.one("study", {"state": "quarantined"})
    assert study is not None and "P2" in study["reason"]
    for level in (PATIENT, STUDY, SERIES, IMAGE):
        assert list(find(index.reading, level, {})) == []
    assert [match.row["study_uid"] for match in find(index.reading, STUDY, {}, held=True)] == ["1"]
    assert instances(index.reading, {"0020000D": "1"}) == []
    index.write(lambda rows: quarantine(rows, study["pk"], "again", 5))
    assert len(index.reading.all("event", {"kind": "quarantined"})) == 1


def test_a_job_asked_for_again_is_one_more_round(index: Index):
    for due in (10, 20):
        index.write(lambda rows, due=due: enqueue(rows, "study", "1", due))
    index.write(lambda rows: enqueue(rows, "study", "2", 15))
    jobs = index.reading.all("job", {"due": at_most(20), "state": is_not("failed")}, "due")
    assert [(job["key"], job["round"], job["state"]) for job in jobs] == [("2", 0, "waiting"), ("1", 1, "waiting")]


def test_work_that_fails_leaves_nothing(index: Index):
    def work(rows: Any) -> None:
        place(rows, record("1", "1.1", "1.1.1"), 1, "refuse", 2)
        raise KeyError

    with pytest.raises(KeyError):
        index.write(work)
    assert index.reading.all("patient", {}) == [] and index.reading.all("job", {}) == []


def test_what_is_put_is_there_once(index: Index):
    for value in "ab":
        index.write(lambda rows, value=value: rows.put("note", {"name": "n"}, {"value": value}))
        index.submit(lambda rows: rows.put("sent", {"peer": "p", "uid": "1"}, {})).result()
    note = index.reading.one("note", {"name": "n"})
    assert note is not None and note["value"] == "b"
    assert index.reading.distinct("sent", "uid", {"peer": "p"}) == ["1"]


def test_two_processes_place_one_study(opened: Any):
    indexes, problems = [opened(), opened()], []

    def send(index: Index) -> None:
        try:
            for number in range(10):
                put(index, record("1", f"1.{number % 2}", f"1.{number}", number=number))
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=send, args=(index,)) for index in indexes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    study = indexes[0].reading.one("study", {})
    assert study is not None and study["series_count"] == 2
    assert counted(indexes[0]) == [("1.0", 5), ("1.1", 5)]
    assert len(indexes[1].reading.all("instance", {})) == 10 and len(indexes[1].reading.all("study", {})) == 1


def test_a_newer_layout_is_refused(kind: str, opened: Any, tmp_path: Path):
    if kind == "sqlite":
        pytest.skip("its version is in the file: unit/interfaces/dicom")
    index = opened()
    index._database["dicom_layout"].update_one({"_id": "layout"}, {"$set": {"version": 99}})
    with pytest.raises(FhirError, match="newer"):
        opened()


class Archives:
    """Archives of a server's settings, each as a process of its own has it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.moment = 1_000_000
        self.opened = [self.open()]

    def open(self) -> Archive:
        return Archive(self.settings, lambda: self.moment)


@pytest.fixture
def archives(kind: str, tmp_path: Path) -> Iterator[Archives]:
    name = f"test-{uuid.uuid4().hex[:16]}"
    settings = Settings(
        data=tmp_path,
        dicom_fsync=False,
        dicom_reserve_mb=0,
        dicom_study_pause_seconds=1,
        dicom_web_delete=True,
        mongodb_url=os.environ[URL] if kind == "mongodb" else "",
        mongodb_database=name,
    )
    made = Archives(settings)
    yield made
    for each in made.opened:
        each.close()
    drop(kind, name)


def test_the_engine_of_the_server_has_the_index(archives: Archives, kind: str):
    [archive] = archives.opened
    made = image()
    given = {"transfer_syntax": str(made.file_meta.TransferSyntaxUID), "sender": "MODALITY"}
    assert archive.receive(encoded(made), **given) is Outcome.NEW
    assert (archive.folder / "index.sqlite").exists() is (kind == "sqlite")
    another = archives.open()
    archives.opened.append(another)
    assert another.receive(encoded(made), **given) is Outcome.SAME
    assert [row["instance_uid"] for row in instances(another.reading, {})] == [made.SOPInstanceUID]
    assert another.delete({"0020000D": made.StudyInstanceUID}, "somebody") == 1
    assert list(archive.files.digests()) == [] and archive.reading.all("study", {}) == []


def test_a_patient_is_erased_with_files_and_rows_and_nobody_else(archives: Archives):
    [archive] = archives.opened
    studies = []
    for number, issuer in (("7", "1.2.3.4"), ("7", "1.2.3.5"), ("8", "")):
        images = study(2, PatientID=number, IssuerOfPatientID=issuer)
        for made in images:
            archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
        studies.append(images[0].StudyInstanceUID)
    patient = Erased("Patient/p", frozenset({("urn:oid:1.2.3.4", "7"), ("", "8")}), frozenset())
    erase = Erasing(archive)
    assert asyncio.run(erase(patient)) == {"images": 4, "procedureSteps": 0, "workitems": 0}
    assert [row["uid"] for row in archive.reading.all("study", {})] == [studies[1]]
    assert [row["issuer"] for row in archive.reading.all("patient", {})] == ["1.2.3.5"]
    assert len(list(archive.files.digests())) == 2
    assert asyncio.run(erase(patient)) == {"images": 0, "procedureSteps": 0, "workitems": 0}


def test_a_job_is_one_workers_until_its_lease_ends(archives: Archives):
    one, two = archives.opened[0], archives.open()
    archives.opened.append(two)
    one.enqueue("study", "1", 0, {"a": 1})
    one.enqueue("study", "2", archives.moment + 5)
    assert queue.claim(one, ("another",)) is None
    first = queue.claim(one)
    assert first is not None and (first.key, first.payload) == ("1", {"a": 1})
    assert queue.claim(two) is None
    archives.moment += queue.LEASE + 1
    assert [job.key for job in (queue.claim(two), queue.claim(one)) if job] == ["1", "2"]
    queue.done(two, first)
    assert [(job["key"], job["state"]) for job in queue.listed(one)] == [("2", "running")]


def test_a_job_of_a_busy_peer_is_passed_over(archives: Archives):
    [archive] = archives.opened
    for due, key in enumerate(("SLOW 1.1", "SLOW", "SLOWER 1.2", "[S]?* 1.3", "OTHER 1.4")):
        archive.enqueue("forward", key, due)
    claimed = [queue.claim(archive, ("forward",), busy=("SLOW", "[S]?*")) for _ in range(3)]
    assert [job and job.key for job in claimed] == ["SLOWER 1.2", "OTHER 1.4", None]
    assert [job.key for job in (queue.claim(archive), queue.claim(archive)) if job] == ["SLOW 1.1", "SLOW"]


def test_a_job_that_takes_long_stays_whose_it_is(archives: Archives):
    [archive] = archives.opened
    archive.enqueue("forward", "PEER 1.1")
    job = queue.claim(archive)
    assert job is not None
    for _ in range(3):
        archives.moment += queue.LEASE * 3 // 4
        queue.renew(archive, job)
        assert queue.claim(archive) is None
    queue.done(archive, job)
    queue.renew(archive, job)
    assert queue.listed(archive) == []


def test_a_job_asked_for_while_it_runs_waits_again(archives: Archives):
    [archive] = archives.opened
    archive.enqueue("study", "1")
    job = queue.claim(archive)
    assert job is not None
    archive.enqueue("study", "1")
    queue.done(archive, job)
    again = queue.claim(archive)
    assert again is not None and again.round == 1
    assert queue.failed(archive, again, "no answer", transient=True) and queue.claim(archive) is None
    assert queue.again(archive, again.pk) and queue.claim(archive) is not None


def test_a_studys_job_waits_until_it_is_quiet_and_hardly_longer(archives: Archives):
    [archive] = archives.opened
    pause = 1_000_000
    dues = set()
    for number in range(20):
        archive.place(record("1", "1.1", f"1.1.{number}"))
        [job] = queue.listed(archive)
        assert pause <= job["due"] - archives.moment <= pause * 9 // 8
        dues.add(job["due"])
        archives.moment += pause // 20
    assert len(dues) == (20 if archive.settings.mongodb_url else 7)
    archives.moment = max(dues)
    claimed = queue.claim(archive)
    assert claimed is not None
    archive.place(record("1", "1.1", "1.1.20"))
    queue.done(archive, claimed)
    assert [(job["key"], job["state"]) for job in queue.listed(archive)] == [("1", "waiting")]


def test_an_instance_goes_where_its_study_and_patient_are_however_its_series_is_known(archives: Archives):
    [archive] = archives.opened
    archive.place(record("1", "1.1", "1.1.1"))
    with pytest.raises(Mismatch):
        archive.place(record("2", "1.1", "2.1.1"))
    archive.place(record("1", "1.1", "1.1.2"))
    [row] = archive.reading.all("study", {})
    assert (row["uid"], row["state"], counted(archive)) == ("1", "kept", [("1.1", 2)])
    archive.place(record("1", "1.1", "1.1.3", patient="P2"))
    [row] = archive.reading.all("study", {})
    assert (row["state"], counted(archive)) == (QUARANTINED, [("1.1", 3)])
    assert len(archive.reading.all("patient", {})) == 2


def test_a_quarantine_is_settled_in_one_step(archives: Archives):
    [archive] = archives.opened
    archive.place(record("1", "1.1", "1.1.1"))
    archive.place(record("1", "1.1", "1.1.2", patient="P2"))
    [held] = quarantines.held(archive)
    assert (held["uid"], held["patient_id"], held["instance_count"]) == ("1", "P1", 2)
    quarantines.reconcile(archive, "1", "Patient/1", "", "somebody")
    assert quarantines.held(archive) == []
    with pytest.raises(FhirError):
        quarantines.reconcile(archive, "1", "Patient/1", "", "somebody")
    assert [event["kind"] for event in archive.reading.all("event", {})] == ["quarantined", "reconciled"]

"""Loads as jobs: progress, restart, cancelling."""

import os

import pytest

from fhir_server.core.errors import FhirError
from terminology import FILE_NAME, Terminology
from terminology.loaders.job_process import main
from terminology.loaders.jobs import STALE, Jobs
from terminology.loaders.registry import LOADERS

URL = "http://example.org/many"


class Clock:
    now = 1_790_000_000_000_000

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stored(tmp_path, shipped, clock):
    service = Terminology(tmp_path / FILE_NAME, shipped=shipped, clock=clock)
    yield service
    service.close()


@pytest.fixture
def many(tmp_path):
    """A CSV file with more concepts than a batch has."""
    file = tmp_path / "many.csv"
    rows = [f"c{n},Concept {n},{f'c{n // 10}' if n else ''}" for n in range(5000)]
    file.write_text("\n".join([f"# url: {URL}", "# version: 1", "code,display,parent", *rows]))
    return file


def whole(service):
    system = service.catalog.system(URL)
    assert (system.count, system.count_of(text="concept 4999")) == (5000, 1)
    assert service.subsumes(URL, "c4", "c4999")
    assert not service.subsumes(URL, "c5", "c4999")
    return True


def test_a_job_tells_how_far_it_is(stored, many, clock):
    jobs, seen = Jobs(stored.store, clock), []
    job = jobs.run(jobs.create("csv", many), lambda job: seen.append((job.stage, job.done)))
    assert job.state == "done" and whole(stored)
    assert seen[:3] == [("concepts", 2000), ("concepts", 4000), ("concepts", 5000)]
    assert list(dict.fromkeys(stage for stage, _ in seen)) == [
        "concepts",
        "hierarchy",
        "closure",
        "texts",
    ]


class Broken(Exception):
    pass


@pytest.mark.parametrize("step", range(7))
def test_a_job_that_broke_off_anywhere_is_taken_up_where_it_was(stored, many, clock, step):
    jobs = Jobs(stored.store, clock)
    id = jobs.create("csv", many)
    steps = iter(range(100))

    def break_off(job):
        if next(steps) == step:
            raise Broken

    with pytest.raises(Broken):
        jobs.run(id, break_off)
    assert stored.catalog.system(URL) is None
    assert jobs.get(id).state == "running"
    assert jobs.unfinished() == []
    clock.now += STALE + 1
    assert [job.id for job in jobs.unfinished()] == [id]
    assert jobs.run(id).state == "done" and whole(stored)


def test_an_interrupted_load_is_found_again_unless_the_file_is_newer(stored, many, clock):
    jobs = Jobs(stored.store, clock)
    clock.now = int(many.stat().st_mtime * 1_000_000) + 1
    id = jobs.create("csv", many)

    def interrupt(job):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jobs.run(id, interrupt)
    assert jobs.get(id).state == "waiting"
    assert jobs.broken_off("csv", many, {}) == jobs.get(id)
    assert jobs.broken_off("csv", many, {"version": "2"}) is None
    os.utime(many, (clock.now, clock.now))
    assert jobs.broken_off("csv", many, {}) is None
    assert jobs.run(id).state == "done" and whole(stored)


def test_a_starting_server_takes_up_what_was_running(stored, many, clock, tmp_path):
    jobs = Jobs(stored.store, clock, tmp_path / FILE_NAME)
    id = jobs.create("csv", many)
    with pytest.raises(Broken):
        jobs.run(id, lambda job: (_ for _ in ()).throw(Broken))
    clock.now += STALE + 1
    started = []
    jobs.start = started.append
    jobs.take_up()
    assert started == [id]


def test_two_processes_do_not_run_one_job(stored, many, clock):
    jobs = Jobs(stored.store, clock)
    id = jobs.create("csv", many)

    def run_again(job):
        with pytest.raises(FhirError, match="is running"):
            jobs.run(id)

    assert jobs.run(id, run_again).state == "done"
    with pytest.raises(FhirError, match="is done"):
        jobs.run(id)


def test_a_cancelled_job_leaves_nothing(stored, many, clock):
    jobs = Jobs(stored.store, clock)
    id = jobs.create("csv", many)
    assert jobs.run(id, lambda job: jobs.cancel(id) if job.done == 4000 else None).state == "cancelled"
    for table in ("concepts", "codes", "code_systems", "named_parents"):
        assert stored.store.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_a_file_that_turns_out_wrong_fails_the_job_and_says_why(stored, tmp_path, clock):
    jobs = Jobs(stored.store, clock)
    for rows, message in (("a\na\n", "has the code 'a' twice"), ("a,1\n,2\n", "the code is missing")):
        file = tmp_path / "wrong.csv"
        file.write_text(f"# url: {URL}\ncode{',x' if ',' in rows else ''}\n{rows}")
        job = jobs.run(jobs.create("csv", file))
        assert job.state == "failed" and message in job.message
        jobs.cancel(job.id)
    assert stored.catalog.system(URL) is None


def test_a_new_load_replaces_the_same_version_and_stands_beside_others(stored, many, clock):
    jobs = Jobs(stored.store, clock)
    jobs.run(jobs.create("csv", many))
    many.write_text(many.read_text().replace("Concept 4999", "Renamed"))
    jobs.run(jobs.create("csv", many))
    assert stored.display(URL, "c4999") == "Renamed"
    jobs.run(jobs.create("csv", many, {"version": "2"}))
    assert [system.info.version for system in stored.catalog.store.systems(URL)] == ["2", "1"]


def test_a_job_runs_in_a_process_of_its_own_and_others_see_it(stored, many, clock, tmp_path):
    jobs = Jobs(stored.store, clock, tmp_path / FILE_NAME)
    id = jobs.create("csv", many)
    assert main(str(tmp_path / FILE_NAME), str(id)) == 0
    assert jobs.get(id).state == "done" and whole(stored)


@pytest.mark.parametrize("options", [{"colour": "red"}])
def test_options_that_a_loader_does_not_have_are_refused(stored, many, clock, options):
    with pytest.raises(FhirError, match="has no option 'colour'; it has: url"):
        Jobs(stored.store, clock).create("csv", many, options)


def test_there_is_a_loader_for_everything_that_is_promised():
    expected = {
        "snomed",
        "loinc",
        "icd10cm",
        "rxnorm",
        "cvx",
        "mvx",
        "ndc",
        "fhir",
        "csv",
        "bcp47",
        "mime",
        "currencies",
    }
    assert expected <= set(LOADERS)

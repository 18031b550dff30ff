import pytest

from fhir_server.rest.request_times import BOUNDS, Label, RequestTimes

TYPES = ("Patient", "Observation")


def observed(method, *path, status=200):
    times = RequestTimes(TYPES)
    times.observe(method, path, status, 0.002)
    (label,) = times.all()
    return label


@pytest.mark.parametrize(
    ("method", "path", "interaction"),
    [
        ("GET", (), "search-system"),
        ("POST", (), "batch"),
        ("GET", ("metadata",), "capabilities"),
        ("GET", ("Patient", "metadata"), "read"),
        ("HEAD", ("Patient", "1"), "read"),
        ("GET", ("Patient", "1", "_history"), "history-instance"),
        ("GET", ("Patient", "1", "_history", "2"), "vread"),
        ("POST", ("Patient", "_search"), "search-type"),
        ("GET", ("Patient", "1", "Observation"), "search-compartment"),
        ("GET", ("Patient", "1", "$everything"), "operation"),
        ("POST", ("$export",), "operation"),
        ("PUT", ("Patient", "1"), "update"),
        ("PUT", ("Patient",), "update-conditional"),
        ("GET", ("Patient", "1", "2", "3", "4"), "other"),
        ("TRACE", ("Patient",), "other"),
    ],
)
def test_a_request_counts_for_its_interaction(method, path, interaction):
    assert observed(method, *path).interaction == interaction


def test_what_callers_make_up_makes_no_new_labels():
    times = RequestTimes(TYPES)
    for number in range(100):
        times.observe("GET", (f"Type{number}",), 404, 0.001)
        times.observe("GET", ("Patient", f"id-{number}"), 200, 0.001)
        times.observe("GET", (f"${number}",), 404, 0.001)
        times.observe(f"METHOD{number}", (), 405, 0.001)
    assert set(times.all()) == {
        Label("search-type", "", 404),
        Label("read", "Patient", 200),
        Label("operation", "", 404),
        Label("other", "", 405),
    }


def test_times_fall_into_the_bucket_of_the_next_bound():
    times = RequestTimes(TYPES)
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] + 1e-6, 1000.0):
        times.observe("GET", (), 200, seconds)
    (kept,) = times.all().values()
    assert kept[:2] == [2, 1] and kept[-2] == 1 and kept[-1] == pytest.approx(1000.001, abs=1e-5)


@pytest.mark.anyio
async def test_workers_add_up_and_one_that_ended_still_counts(tmp_path, monkeypatch):
    for worker in (1, 2):
        monkeypatch.setattr("os.getpid", lambda worker=worker: worker)
        times = RequestTimes(TYPES, tmp_path)
        times.observe("GET", ("Patient",), 200, 0.5)
        total = times.all()
    assert total[Label("search-type", "Patient", 200)][-1] == 1.0

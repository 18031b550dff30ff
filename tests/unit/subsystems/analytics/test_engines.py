"""ClickHouse and Spark give the answers of DuckDB on the same lake. `make test-engines` installs and runs them."""

import importlib.util
import json
import re
import shutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.loading.sources import documents
from fhir_server.samples import ARCHIVE
from fhir_server.subsystems.analytics.engines import script
from fhir_server.subsystems.analytics.indicators import AGGREGATES, by_month, indicators
from fhir_server.subsystems.analytics.query import LakeQuery
from tests.unit.subsystems.analytics.test_indicators import lake_of

ALL = indicators()
# Spark takes the unit of date_diff as a word, DuckDB and ClickHouse as a text
OTHER_SQL = {"spark": ["length_of_stay", "bed_days", "order_to_result", "days_in_receivables", "hours_per_shift"]}
TOTALS = {
    "patients": "SELECT gender, count(*) FROM patients GROUP BY 1 ORDER BY 1",
    "observations": "SELECT code, count(*), sum(value) FROM observations WHERE value IS NOT NULL GROUP BY 1 ORDER BY 1",
    "conditions": "SELECT code, count(*) FROM conditions GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20",
}
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> LakeQuery:
    """Of sample patients, with an order and its report, and visits that did not come about."""
    entries = [entry for document in documents([ARCHIVE]) for entry in json.load(document.stream)["entry"]]
    types = {entry["fullUrl"].removeprefix("urn:uuid:"): entry["resource"]["resourceType"] for entry in entries}
    found = []
    for entry in entries:
        text = re.sub('"urn:uuid:([^"]+)"', lambda m: f'"{types[m[1]]}/{m[1]}"', json.dumps(entry["resource"]))
        found.append({**json.loads(text), "id": entry["fullUrl"].rpartition(":")[2]})
    order = {"resourceType": "ServiceRequest", "id": "o", "status": "active", "intent": "order",
             "subject": {"reference": "Patient/p"}, "authoredOn": "2026-03-01T08:00:00Z"}  # fmt: skip
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "x"},
              "basedOn": [{"reference": "ServiceRequest/o"}], "issued": "2026-03-01T14:30:00+02:00"}  # fmt: skip
    visits = [
        {"resourceType": "Appointment", "id": f"a{n}", "status": status, "start": "2026-03-31T23:30:00-05:00",
         "participant": [{"actor": {"reference": "Patient/p"}, "status": "accepted"}]}
        for n, status in enumerate(("noshow", "fulfilled", "booked"))
    ]  # fmt: skip
    return lake_of(tmp_path_factory.mktemp("engines") / "lake", [*found, order, report, *visits], "America/New_York")


@pytest.fixture(scope="module")
def clickhouse(lake: LakeQuery) -> Iterator[Ask]:
    """ClickHouse's engine in this process, by clickhouse-connect."""
    for name in ("chdb", "clickhouse_connect"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"NO CLICKHOUSE: {name} is not installed; `make test-engines` does it")
    import clickhouse_connect

    client = clickhouse_connect.get_client(interface="chdb")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(lake._lake.folder.parent)  # it reads Delta tables below its own folder only
        for statement in script("clickhouse", lake._lake, lake):
            client.command(statement)
        yield lambda sql: [tuple(row) for row in client.query(sql).result_rows]
    client.close()


@pytest.fixture(scope="module")
def spark(lake: LakeQuery) -> Iterator[Ask]:
    """Spark in one process of Java."""
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        pytest.skip("NO SPARK: it needs Java 17 and pyspark; `make test-engines` installs pyspark")
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )
    for statement in script("spark", lake._lake, lake):
        session.sql(statement)
    yield lambda sql: [tuple(row) for row in session.sql(sql).collect()]
    session.stop()


@pytest.fixture(params=["clickhouse", "spark"])
def engine(request: pytest.FixtureRequest) -> tuple[str, Ask]:
    return request.param, request.getfixturevalue(request.param)


def near(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(pytest.approx(float(v)) if isinstance(v, int | float | Decimal) else v for v in row) for row in rows]


@pytest.mark.parametrize("name", ALL)
def test_an_indicator_has_the_same_months(engine: tuple[str, Ask], lake: LakeQuery, name: str):
    which, ask = engine
    indicator = ALL[name]
    sql = "\n".join(indicator.sql)
    if name in OTHER_SQL.get(which, ()):
        sql = re.sub(r"date_diff\('(\w+)',", r"timestampdiff(\1,", sql)
    aggregate = AGGREGATES[indicator.value].replace("::DOUBLE", "")
    found = ask(f"SELECT month, {aggregate}, count(*) FROM ({sql}) WHERE month IS NOT NULL GROUP BY 1 ORDER BY 1")
    expected = [tuple(month) for month in by_month(lake, indicator)]
    assert near(found) == expected
    assert expected or name in ("denial_rate", "days_in_receivables", "hours_per_shift")


@pytest.mark.parametrize("name", TOTALS)
def test_a_view_has_the_same_totals(engine: tuple[str, Ask], lake: LakeQuery, name: str):
    expected = lake.ask(TOTALS[name]).rows
    assert len(expected) > 1
    assert near(engine[1](TOTALS[name])) == expected


def test_a_date_is_a_day_of_the_hospital(engine: tuple[str, Ask]):
    same = "moment('2026-11-02') = moment('2026-11-02T00:00:00-05:00')"
    evening = "strftime(local_moment('2026-11-01T02:00:00Z'), '%Y-%m')"
    assert engine[1](f"SELECT {same}, {evening}") == [(True, "2026-10")]


def test_a_table_of_resources_has_every_row(engine: tuple[str, Ask], lake: LakeQuery):
    table = lake._lake.table("Encounter")
    assert table is not None
    [(count,)] = engine[1]("SELECT count(*) FROM Encounter_resources")
    assert count == table.to_pyarrow_table().num_rows > 100


def test_an_engine_that_there_is_not_is_told(lake: LakeQuery):
    with pytest.raises(FhirError, match="Did you mean clickhouse"):
        list(script("clickhose", lake._lake, lake))


def test_paths_are_those_that_the_engine_sees(lake: LakeQuery):
    made = list(script("spark", lake._lake, lake, "/mnt/lake/"))
    assert "/mnt/lake/Encounter/" in made[-1] + "".join(made) and str(lake._lake.folder) not in "".join(made)

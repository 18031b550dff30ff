"""Questions of people to the lake run in a process of their own: nothing that one asks harms or outlives it."""

from pathlib import Path

import pytest

from fhir_server import definitions as r4
from fhir_server.core.errors import FhirError
from fhir_server.subsystems.analytics.lake import Lake
from fhir_server.subsystems.analytics.query import LakeQuery
from fhir_server.subsystems.subsystem import catch_up
from fhir_server.views.library import SHIPPED, Library
from tests.conftest import Fhir

pytestmark = pytest.mark.anyio


@pytest.fixture
def query(tmp_path: Path) -> LakeQuery:
    return LakeQuery(Lake(tmp_path / "lake"), Library([SHIPPED], r4.load()), r4.load(), "UTC")


async def test_it_gives_what_the_lake_has(fhir: Fhir, query: LakeQuery):
    await fhir.create({"resourceType": "Patient", "id": "a", "gender": "female"})
    await catch_up(fhir.server, query._lake)
    sql = (
        "SELECT gender, count(*) AS many, DATE '2026-01-02' AS day, 1.5::DECIMAL(4, 2) AS part FROM patients GROUP BY 1"
    )
    found = query.ask_apart(sql)
    assert found.columns == ["gender", "many", "day", "part"] and not found.more
    assert [str(value) for value in found.rows[0]] == ["female", "1", "2026-01-02", "1.50"]
    assert query.ask_apart("SELECT * FROM range(100)", rows=5).more


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT length(repeat('x', 2000000000))",  # DuckDB does not look up while it makes the one value
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        "SELECT count(*) FROM range(10000000000) a, range(1000) b",
    ],
)
def test_what_never_ends_is_ended(query: LakeQuery, sql: str):
    with pytest.raises(FhirError, match=r"took longer|more memory"):
        query.ask_apart(sql, seconds=0.2)


def test_an_answer_that_is_too_large_is_none(query: LakeQuery):
    with pytest.raises(FhirError, match="too large"):
        query.ask_apart("SELECT repeat('x', 1000000) FROM range(100)")


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "disabled by configuration"),
        ("SELECT * FROM read_text('/etc/hosts')", "disabled by configuration"),
        ("SELECT * FROM glob('/etc/*')", "disabled by configuration"),
        ("SELECT * FROM read_parquet('s3://bucket/key')", "disabled by configuration"),
        ("SELECT * FROM query('COPY (SELECT 1) TO ''/tmp/x.csv''')", "single SELECT"),
        ("COPY (SELECT 1) TO '/tmp/x.csv'", "Only one SELECT"),
        ("ATTACH '/tmp/x.db'", "Only one SELECT"),
        ("INSTALL httpfs", "Only one SELECT"),
        ("SET memory_limit = '100GB'", "Only one SELECT"),
        ("SELECT 1; DROP VIEW patients", "Only one SELECT"),
        ("", "Only one SELECT"),
        ("SELECT nothing FROM patients", "nothing"),
    ],
)
def test_what_is_not_a_question_to_the_lake_is_refused(query: LakeQuery, sql: str, words: str):
    with pytest.raises(FhirError, match=words):
        query.ask_apart(sql)

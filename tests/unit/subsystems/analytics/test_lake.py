"""The lake follows the change feed."""

import asyncio
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fhir_server import definitions as r4
from fhir_server.client import HttpClient
from fhir_server.core.errors import FhirError
from fhir_server.subsystems.analytics import lake as module
from fhir_server.subsystems.analytics.lake import Lake
from fhir_server.subsystems.analytics.query import LakeQuery
from fhir_server.subsystems.subsystem import catch_up, read
from fhir_server.views.library import SHIPPED, Library
from tests.conftest import BASE, Fhir

pytestmark = pytest.mark.anyio


def state(lake: Lake) -> dict[str, list[Any]]:
    types = sorted(folder.parent.name for folder in lake.folder.glob("*/_delta_log"))
    found = {}
    for type in types:
        files = lake.files(type)
        found[type] = duckdb.sql(f"SELECT * FROM read_parquet({files}) ORDER BY id").fetchall() if files else []
    return {type: rows for type, rows in found.items() if rows}


async def story(fhir: Fhir) -> None:
    for id in "abc":
        await fhir.create({"resourceType": "Patient", "id": id, "gender": "female"})


async def test_new_changed_deleted_and_erased_resources(fhir: Fhir, tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    await story(fhir)
    await catch_up(fhir.server, lake)
    assert [row[:2] for row in state(lake)["Patient"]] == [("a", 1), ("b", 1), ("c", 1)]
    await fhir.create({"resourceType": "Patient", "id": "a", "gender": "male"})
    await fhir.create({"resourceType": "Patient", "id": "d", "gender": "male"})
    await fhir("DELETE", "Patient/b")
    await catch_up(fhir.server, lake)
    assert [row[:2] for row in state(lake)["Patient"]] == [("a", 2), ("c", 1), ("d", 1)]
    await fhir.create({"resourceType": "Patient", "id": "c", "name": [{"family": "Zebrafish"}]})
    await catch_up(fhir.server, lake)
    assert (await fhir.post("Patient/c/$purge", None)).status_code == 200
    await catch_up(fhir.server, lake)
    assert [row[0] for row in state(lake)["Patient"]] == ["a", "d"]
    kept = [file for file in (lake.folder / "Patient").rglob("*") if file.is_file()]
    assert all(set(duckdb.sql(f"SELECT id FROM '{file}'").fetchall()) <= {("a",), ("d",)}
               for file in kept if file.suffix == ".parquet" and "_delta_log" not in file.parts)  # fmt: skip
    assert not any(b"Zebrafish" in file.read_bytes() for file in kept)


async def test_rebuilding_and_a_run_over_http_give_the_same(fhir: Fhir, tmp_path: Path):
    kept, anew = Lake(tmp_path / "kept"), Lake(tmp_path / "anew")
    await story(fhir)
    await catch_up(fhir.server, kept)
    await fhir.create({"resourceType": "Patient", "id": "a", "gender": "male"})
    await fhir("DELETE", "Patient/b")
    await catch_up(fhir.server, kept)
    over_http = HttpClient(BASE, transport=fhir.http._transport)
    await catch_up(over_http, anew)
    assert state(anew) == state(kept)
    kept.drop()
    await catch_up(fhir.server, kept)
    assert state(anew) == state(kept)
    assert kept.position() == anew.position()


async def test_the_same_changes_again_change_nothing(fhir: Fhir, tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    await story(fhir)
    portion = await read(fhir.server, 0)
    lake.take(portion)
    before = state(lake)
    (lake.folder / "position").unlink()  # as when a run ends between the tables and the position
    lake.take(await read(fhir.server, lake.position()))
    assert state(lake) == before


async def test_a_lake_of_another_layout_is_made_anew(fhir: Fhir, tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    await story(fhir)
    await catch_up(fhir.server, lake)
    before = state(lake)
    (lake.folder / "layout").write_text("1")
    assert (lake.position(), lake.tables(), lake.files("Patient")) == (0, [], [])
    assert await catch_up(fhir.server, lake) == 3
    assert state(lake) == before


async def test_many_commits_leave_few_files(fhir: Fhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "COMPACT", 3)
    monkeypatch.setattr(module, "KEPT_HOURS", 0)
    lake = Lake(tmp_path / "lake")
    for number in range(9):
        await fhir.create({"resourceType": "Patient", "id": f"p{number}"})
        await catch_up(fhir.server, lake)
    assert len(lake.files("Patient")) < 4
    assert {str(file) for file in (lake.folder / "Patient").glob("*.parquet")} == set(lake.files("Patient"))
    assert [row[0] for row in state(lake)["Patient"]] == [f"p{number}" for number in range(9)]
    assert lake.files("Patient") == Lake(lake.folder).files("Patient")


async def test_many_changes_of_few_resources_leave_few_files(
    fhir: Fhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "TIDIED_EVERY", 4)
    monkeypatch.setattr(module, "KEPT_HOURS", 0)
    lake = Lake(tmp_path / "lake")
    left = []
    for number in range(12):
        await fhir.create({"resourceType": "Patient", "id": "p", "name": [{"family": f"F{number}"}]})
        await catch_up(fhir.server, lake)
        left.append(len(list((lake.folder / "Patient").glob("*.parquet"))))
    assert max(left) <= 4
    assert [row[:2] for row in state(lake)["Patient"]] == [("p", 12)]
    assert Lake(lake.folder).position() == await fhir.server.environment.feed.head()


async def test_views_are_tables_and_only_bounded_selects_are_taken(fhir: Fhir, tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    await story(fhir)
    await catch_up(fhir.server, lake)
    asked = LakeQuery(lake, Library([SHIPPED], r4.load()), r4.load(), "UTC")
    assert asked.ask("SELECT gender, count(*) FROM patients GROUP BY 1").rows == [("female", 3)]
    assert asked.ask("SELECT count(*) FROM encounters").rows == [(0,)]
    assert asked.ask("SELECT * FROM range(100)", rows=5).more
    for sql in ("DROP VIEW patients", "SELECT 1; SELECT 2", "COPY patients TO '/tmp/x.csv'", "SET threads = 1",
                "SELEC 1",
                "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_text('/etc/passwd')"):  # fmt: skip
        with pytest.raises(FhirError):
            asked.ask(sql)
    with pytest.raises(FhirError, match="took longer"):
        asked.ask("SELECT count(*) FROM range(10000000000) a, range(1000) b", seconds=0.2)


async def test_the_feed_by_cursor(fhir: Fhir):
    await story(fhir)
    await fhir.create({"resourceType": "Organization", "id": "o", "name": "x"})
    first = (await fhir.get("$changes?_count=2&_type=Patient&resources=true")).json()
    assert [change["resource"]["id"] for change in first["changes"]] == ["a", "b"]
    rest = (await fhir.get(f"$changes?after={first['position']}&_type=Patient")).json()
    assert [change["id"] for change in rest["changes"]] == ["c"]
    end = (await fhir.get(f"$changes?after={rest['head']}")).json()
    assert end["changes"] == [] and end["position"] == end["head"]
    assert (await fhir.get("$changes?_type=Nothing")).status_code == 400


async def test_rows_of_views_follow_the_lake_and_what_is_erased_leaves_them(fhir: Fhir, tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    asked = LakeQuery(lake, Library([SHIPPED], r4.load()), r4.load(), "UTC")
    await story(fhir)
    await fhir.create({"resourceType": "Patient", "id": "z", "name": [{"family": "Zebrafish"}]})
    await catch_up(fhir.server, lake)
    for _ in range(2):
        assert asked.ask("SELECT count(*) FROM Patients").rows == [(4,)]
    kept = list((lake.folder / "views").rglob("*.parquet"))
    await fhir.create({"resourceType": "Patient", "id": "a", "gender": "male"})
    assert (await fhir.post("Patient/z/$purge", None)).status_code == 200
    await catch_up(fhir.server, lake)
    asked.refresh()
    assert asked.ask("SELECT gender, count(*) FROM patients GROUP BY 1 ORDER BY 1").rows == [("female", 2), ("male", 1)]
    assert not any(file.exists() for file in kept if "patients" in str(file.parent))
    assert not any(b"Zebrafish" in file.read_bytes() for file in (lake.folder / "views").rglob("*") if file.is_file())


async def test_rows_are_made_while_others_ask_and_the_lake_moves_on(fhir: Fhir, tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    query = LakeQuery(lake, Library([SHIPPED], r4.load()), r4.load(), "UTC")
    await story(fhir)
    for number in range(3):
        await fhir.create({"resourceType": "Patient", "id": "a", "gender": ["male", "female", "other"][number]})
        await catch_up(fhir.server, lake)
        refreshing = [asyncio.create_task(asyncio.to_thread(query.refresh)) for _ in range(2)]
        answers = await asyncio.gather(
            *(asyncio.to_thread(query.ask, "SELECT count(*) FROM patients") for _ in range(4))
        )
        await asyncio.gather(*refreshing)
        assert [answer.rows for answer in answers] == [[(3,)]] * 4

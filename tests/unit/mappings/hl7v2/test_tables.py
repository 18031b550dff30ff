"""HL7's tables are compiled, not retyped; every row is applied or left out with a reason; overlays take their place."""

import re

import pytest

from fhir_server.core.errors import FhirError
from mappings.hl7v2.compile import SOURCE, compile_tables, read_archive
from mappings.hl7v2.tables import SITE, SiteTables, Tables, _official, standard
from mappings.hl7v2.tidying import CORE, SINGLE
from profiles import core


def test_the_compiled_file_is_what_the_source_says():
    assert compile_tables(read_archive(SOURCE)) == _official()


def test_our_own_rows_can_all_be_applied():
    tables = standard()
    left_out = [(name, row) for name in tables.names() for row, _ in tables.map(name).left_out if row.origin != "HL7"]
    assert left_out == []


def test_rows_left_out_have_a_reason():
    tables = standard()
    reasons = [reason for name in tables.names() for _, reason in tables.map(name).left_out]
    assert len(reasons) < 260
    assert all(reasons)


def test_rows_of_messages_are_in_their_structures():
    def places(children, path=""):
        for child in children:
            here = f"{path}.{child[0]}" if path else child[0]
            yield from places(child[3], here) if len(child) > 3 else [here]

    tables = standard()
    for structure, rows in tables.messages.items():
        known = set(places(tables.structures[structure]))
        assert [row for row in rows if row.path not in known and row.origin == "ours"] == []


def test_a_site_changes_a_row_without_a_restart(tmp_path):
    site = SiteTables(tmp_path)
    assert site.current().map("PID[Patient]").by_field[8][0].row.target == "gender"
    (tmp_path / "maps.csv").write_text(
        "map,source,condition,target,type_map,vocabulary,assignment,comment\n"
        "PID[Patient],PID-8,,,,,,we keep no gender\n"
    )
    assert 8 not in site.current().map("PID[Patient]").by_field


def test_a_site_maps_codes_and_authorities(tmp_path):
    (tmp_path / "codes.csv").write_text("table,code,target,display,system\nAdministrativeSex,X,other,,\n")
    (tmp_path / "systems.csv").write_text("name,uri\nHOSP,https://hospital.example/mrn\n")
    tables = Tables([(SITE, tmp_path)])
    assert tables.code("AdministrativeSex", "X") == ("other", "", "")
    assert tables.systems["HOSP"] == "https://hospital.example/mrn"


@pytest.mark.parametrize(
    ("name", "text"), [("maps.csv", "wrong,header\n"), ("codes.csv", "table,code,target,display,system\na,b,c,d,e,f\n")]
)
def test_a_wrong_file_of_a_site_is_named(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(FhirError, match=name):
        SiteTables(tmp_path).current()


def test_which_extensions_of_r4_the_tables_may_repeat_is_what_their_definitions_say():
    used = set(re.findall(rf"{CORE}[A-Za-z0-9-]+", repr(_official())))
    roots = {url: core.find(url)["differential"]["element"][0] for url in used if core.find(url)}
    assert {url.removeprefix(CORE) for url, root in roots.items() if root.get("max") == "1"} <= SINGLE
    assert all(core.find(CORE + name)["differential"]["element"][0]["max"] == "1" for name in SINGLE)

"""Views by name."""

import pytest

from fhir_server import definitions as r4
from fhir_server.core.errors import FhirError
from fhir_server.views.library import SHIPPED, Library
from fhir_server.views.sql.compile import compile_view

R4 = r4.load()


def test_all_that_are_shipped_can_be_read_and_are_native_sql():
    views = Library([SHIPPED], R4).all()
    assert {view.name for view in views} >= {"patients", "encounters", "observations"}
    for view in views:
        assert compile_view(view, R4, "SELECT body FROM resources").startswith("SELECT")


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(FhirError, match="Did you mean encounters"):
        Library([SHIPPED], R4).find("encounter")


def test_a_folder_adds_views_and_wins(tmp_path):
    (tmp_path / "patients.json").write_text(
        '{"resource": "Patient", "select": [{"column": [{"name": "key", "path": "id"}]}]}'
    )
    view = Library([SHIPPED, tmp_path], R4).find("patients")
    assert [column.name for column in view.columns] == ["key"]
    assert view.name == "patients"


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "wrong.json").write_text(
        '{"resource": "Patient", "select": [{"column": [{"name": "a", "path": "nam"}]}]}'
    )
    with pytest.raises(FhirError, match=r"wrong\.json: A Patient has no element `nam`; did you mean `name`"):
        Library([tmp_path], R4).find("wrong")

from pathlib import Path

from fhir_server.search.parse.modifiers import MODIFIERS
from fhir_server.search.phonetic import KIND
from fhir_server.search.reference import page

PAGE = Path(__file__).parents[3] / "docs/reference/search.md"


def test_the_page_is_what_the_code_makes_it(definitions):
    assert PAGE.read_text() == page(definitions), "make docs renews it"


def test_every_search_type_of_r4_can_be_asked(definitions):
    assert {parameter.type for parameter in definitions.search_parameter_list} == set(MODIFIERS) - {KIND}

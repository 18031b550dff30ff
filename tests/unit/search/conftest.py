import pytest

from fhir_server.definitions import load
from fhir_server.search.fields import Fields
from fhir_server.search.parse import SearchContext

NOW = 1_700_000_000_000_000  # 2023-11-14T22:13:20Z


@pytest.fixture(scope="session")
def definitions():
    return load()


@pytest.fixture(scope="session")
def fields(definitions):
    return Fields(definitions)


@pytest.fixture(scope="session")
def context(definitions, fields):
    return SearchContext(definitions, fields, lambda: NOW, base="http://here.org/fhir")


@pytest.fixture
def parse(context):
    """parse("Patient", "name=peter&birthdate=ge1974") as a URL's query, already percent-decoded."""
    from fhir_server.search.parse import parse_query

    def parse(type_name, text, **options):
        pairs = [tuple(part.split("=", 1)) for part in text.split("&")] if text else []
        return parse_query(type_name, pairs, options.pop("context", context), **options)

    return parse

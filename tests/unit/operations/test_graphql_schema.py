"""The schemas of GraphQL."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fhir_server.definitions import load
from fhir_server.operations.graphql import schema

ROOTS = (schema.QUERY, "Patient", "Observation", "Encounter", "Claim", "Bundle")


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that are interrupted all the time."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_threads_that_ask_at_once_get_schemas_of_the_same_types(restless: None) -> None:
    schema._types.cache_clear()
    schema._types(load())
    with ThreadPoolExecutor(len(ROOTS)) as threads:
        made = list(threads.map(lambda root: schema.schema_of(load(), root), ROOTS))
    assert len({id(each.type_map["Patient"]) for each in made}) == 1
    assert made[0] is schema.schema_of(load(), ROOTS[0])

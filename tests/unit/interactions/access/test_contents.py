"""What is stored unchecked is looked into all the same: what can't be told of is kept, and nothing fails."""

from collections.abc import Iterable
from typing import Any

import pytest

from fhir_server import definitions as r4
from fhir_server.codec.json import serialize
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Caller
from fhir_server.core.query import NOTHING
from fhir_server.interactions.access.contents import ELSEWHERE, Contents, context_of
from fhir_server.interactions.access.restriction import Restriction
from fhir_server.search.extract import Extractor
from fhir_server.search.fields import Fields

pytestmark = pytest.mark.anyio

TYPES = ("Binary", "Bundle", "Observation", "Patient")


def stored(resource: dict[str, Any]) -> StoredVersion:
    return StoredVersion(resource["resourceType"], "a", 1, 0, 0, "PUT", serialize(resource))


async def none_seen(keys: Iterable[tuple[str, str]], further: Restriction | None) -> set[tuple[str, str]]:
    return set()


@pytest.mark.parametrize(
    ("entries", "shown"),
    [
        ([{"resource": {"resourceType": "Patient", "id": "p"}}], True),
        ([{"fullUrl": "urn:uuid:1"}], True),
        ([{"resource": {"resourceType": "Observation", "id": "o"}}], False),
        ([{"resource": {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Observation"}}]}}], False),
        ([{"resource": {"resourceType": "Nothing"}}], False),
        ([{"resource": {"resourceType": ["Patient"]}}], False),
        ([{"resource": {}}], False),
        ([{"resource": 7}], False),
        ([7], False),
        ("text", False),
        ({"resource": {"resourceType": "Observation", "id": "o"}}, False),
    ],
)
async def test_a_bundle_is_shown_where_all_in_it_may_be_told(entries: Any, shown: bool) -> None:
    caller = Caller(inside=lambda type: NOTHING if type == "Observation" else None)
    version = stored({"resourceType": "Bundle", "entry": entries})
    assert await Contents(caller, lambda resource: [], TYPES).shown([version], none_seen) == [version] * shown


def context(given: Any) -> Any:
    definitions = r4.load()
    extract = Extractor(definitions, Fields(definitions), "https://fhir.example.org").extract
    return context_of(stored({"resourceType": "Binary", "securityContext": given}), extract)


@pytest.mark.parametrize("given", ["Patient/p", ["Patient/p"], {}, {"reference": 7}, None])
def test_a_binary_with_a_context_of_another_form_belongs_to_nothing(given: Any) -> None:
    assert context(given) is None


@pytest.mark.parametrize(
    "given",
    [
        {"reference": "nobody"},
        {"reference": "https://elsewhere.example.org/Patient/p"},
        {"reference": "Binary/a"},
        {"identifier": {"value": "1"}},
        {"display": "the patient"},
    ],
)
def test_a_binary_whose_context_is_not_here_belongs_to_what_nobody_sees(given: Any) -> None:
    assert context(given) == ELSEWHERE


def test_a_binary_belongs_to_what_its_context_names() -> None:
    assert context({"reference": "Patient/p"}) == ("Patient", "p")
    assert context({"reference": "https://fhir.example.org/Patient/p/_history/2"}) == ("Patient", "p")

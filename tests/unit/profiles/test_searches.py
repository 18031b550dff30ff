"""The links of a Bundle, and the entries of a search's answer."""

import pytest

from fhir_server.definitions import load
from profiles.validator import Validator

from .conftest import as_parsed

VALIDATOR = Validator(load())
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]}
BASE = "http://hospital.test/fhir"


def found(resource=None, mode="match", **search):
    resource = resource or {"resourceType": "Patient", "id": "p"}
    url = (
        f"{BASE}/{resource['resourceType']}/{resource['id']}"
        if "id" in resource
        else f"urn:uuid:{'1' * 8}-1111-4111-8111-{'1' * 12}"
    )
    search = {**({"mode": mode} if mode else {}), **search}
    return {"fullUrl": url, "resource": resource, **({"search": search} if search else {})}


def issues(*entries, links=(), kind="searchset"):
    bundle = {"resourceType": "Bundle", "type": kind}
    if links:
        bundle["link"] = [{"relation": relation, "url": f"{BASE}/{path}"} for relation, path in links]
    if entries:
        bundle["entry"] = list(entries)
    issues = VALIDATOR.validate(as_parsed(bundle))
    return [(i.expression.removeprefix("Bundle"), i.rule, i.severity) for i in issues]


@pytest.mark.parametrize("kind", ["searchset", "collection"])
def test_a_bundle_has_one_link_of_a_kind_that_leads_to_one_page(kind):
    assert (
        issues(links=[("self", "Patient?a"), ("next", "Patient?b"), ("alternate", "c"), ("alternate", "d")], kind=kind)
        == []
    )
    twice = issues(links=[("self", "Patient?a"), ("self", "Patient?b"), ("next", "c"), ("next", "d")], kind=kind)
    assert twice == [(f".link[{at}].relation", "bundle-link", "error") for at in (1, 3)]


@pytest.mark.parametrize(("score", "right"), [(0, True), (1, True), (0.42, True), (1.01, False), (-0.1, False)])
def test_a_score_is_from_0_to_1(score, right):
    assert issues(found(score=score)) == ([] if right else [(".entry[0].search.score", "bundle-search-score", "error")])


def test_what_a_search_finds_has_an_id():
    assert issues(found(OUTCOME, mode="outcome")) == issues(found(OUTCOME)) == []
    assert issues(found({"resourceType": "Patient"})) == [(".entry[0].resource.id", "bundle-search-id", "error")]


@pytest.mark.parametrize(
    ("path", "mode", "severity"),
    [
        ("Observation?code=1", "match", "error"),
        ("Encounter/e/Observation", "match", "error"),
        ("Observation/_search?code=1", "match", "error"),
        ("Observation?code=1", "", "warning"),
        ("Observation?code=1", "include", ""),
        ("Patient?name=x", "match", ""),
        ("Patient/p/$everything", "match", ""),
        ("?_type=Observation,Patient", "match", ""),
    ],
)
def test_what_a_search_finds_is_of_the_type_that_was_searched_for(path, mode, severity):
    told = issues(found(mode=mode), links=[("self", path)])
    assert told == ([(".entry[0].resource", "bundle-search-type", severity)] if severity else [])

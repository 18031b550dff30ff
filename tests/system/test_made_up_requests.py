"""Requests that generators make up: none is answered by a 5xx, and every error is an OperationOutcome.

The requests are the same in every run, fewer on the distributed engine. More: HYPOTHESIS_EXAMPLES=10000 make test
ARGS="-k made_up".
"""

import os

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as some

from fhir_server import definitions
from fhir_server.codec import json
from fhir_server.loading.sources import documents
from fhir_server.samples import ARCHIVE
from tests.engines import EMBEDDED
from tests.system.process import hms, serving_on

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "0"))
R4 = definitions.load()
made_up = settings(
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def some_of(engine, number):
    """As many examples as an engine has time for."""
    return settings(made_up, max_examples=EXAMPLES or (number if engine == EMBEDDED else max(2, number // 5)))


@pytest.fixture(scope="module")
def base(engine, tmp_path_factory):
    """A server with one patient's record in it."""
    files = tmp_path_factory.mktemp("files")
    for document in documents([ARCHIVE]):
        name = document.name.rpartition(":")[2]
        if name.startswith(("Alia555", "hospital", "practitioner")):
            (files / name).write_bytes(document.stream.read())
    with serving_on(engine, tmp_path_factory.mktemp("made_up")) as server:
        hms("load", files, "--server", server.base)
        yield server.base


def check(answer):
    event(f"status {answer.status_code}")
    assert answer.status_code < 500, (answer.request.url, answer.text)
    if answer.status_code >= 400:
        outcome = json.parse(answer.content)
        if "errors" in outcome:  # of GraphQL
            outcome = outcome["errors"][0]["extensions"]["resource"]
        assert outcome["resourceType"] == "OperationOutcome", answer.text
        assert all(issue["diagnostics"] for issue in outcome["issue"]), answer.text


# ---------------------------------------------------------------- searches
TYPES = ("Patient", "Observation", "Encounter", "Condition", "Location", "ValueSet", "Group", "Claim")
MODIFIERS = ("exact", "contains", "text", "not", "in", "not-in", "below", "above", "missing", "identifier", "of-type",
             "iterate", "Patient", "Group", "Wrong")  # fmt: skip
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "xx")
WORDS = (
    *(
        "smith",
        "a",
        "",
        "true",
        "1",
        "-1.50",
        "1e3",
        "5.4|http://unitsofmeasure.org|mg",
        "5||kg",
        "http://loinc.org|8302-2",
    ),
    *(
        "|",
        "||",
        "a|b|c|d",
        "Patient/1",
        "Patient/1/_history/2",
        "http://other.test/fhir/Patient/1",
        "urn:uuid:1",
        "#x",
    ),
    *("2020", "2020-02-30", "2020-02-29T24:00", "2020-01-01T10:00:00+14:00", "9999-12-31", "0000", "42.5|-71.2|10|km"),
    *("a$b", "a,b", "a\\,b\\$c\\|d\\\\", "\\", "%", "_", "'", '"', "*", "ﬀÅé", "\u0000", "😀", "x" * 3000),
)
word = some.sampled_from(WORDS) | some.text(max_size=12)
value = some.lists(some.tuples(some.sampled_from(PREFIXES), word).map("".join), min_size=1, max_size=3).map(",".join)
RESULT = {
    "_sort": ("_id", "-_lastUpdated", "name,-birthdate", "date", "wrong", ""),
    "_count": ("0", "1", "5", "-1", "x", "99999999999999999999"),
    "_include": ("*", "Observation:subject", "Encounter:subject:Patient", "Patient:organization", "x", "a:b:c:d"),
    "_revinclude": ("*", "Observation:subject", "Provenance:target", "x"),
    "_include:iterate": ("*", "Encounter:service-provider", "Patient:organization"),
    "_summary": ("true", "count", "text", "data", "false", "x"),
    "_elements": ("id,name", "x", ""),
    "_total": ("none", "accurate", "estimate", "x"),
    "_contained": ("true", "both", "x"),
    "_containedType": ("container", "contained", "x"),
    "_type": ("Patient,Observation", "x"),
    "_filter": (
        "name eq smith",
        "(a or",
        "not (birthdate gt 2000)",
        "code in x",
        "name",
        "family co 'a' and gender eq male",
    ),
    "_list": ("1", "$current-allergies"),
    "_query": ("x",),
    "_content": ("a", "(", "a b"),
    "_text": ("a", "(", "a b"),
}


@some.composite
def name_of(draw, type, depth=2):
    """A parameter's name, with a modifier, a chain or a _has in some."""
    parameter = draw(some.sampled_from(sorted(R4.search_parameters(type).values(), key=lambda found: found.code)))
    how = draw(some.integers(0, 9))
    if how == 0:
        return draw(some.text(max_size=10))
    if how == 1 and depth:
        other = draw(some.sampled_from(TYPES))
        link = draw(some.sampled_from(("subject", "patient", "encounter", "wrong")))
        return f"_has:{other}:{link}:{draw(name_of(other, depth - 1))}"
    if parameter.type == "reference" and depth and how < 7:
        target = draw(some.sampled_from([*parameter.targets[:5], "Wrong"]))
        typed = draw(some.sampled_from(("", f":{target}")))
        rest = draw(name_of(target if R4.is_resource(target) else "Patient", depth - 1))
        return f"{parameter.code}{typed}.{rest}"
    if how < 5:
        return f"{parameter.code}:{draw(some.sampled_from(MODIFIERS))}"
    return parameter.code


@some.composite
def search(draw):
    """(type, parameters)"""
    type = draw(some.sampled_from(TYPES))
    pairs = draw(some.lists(some.tuples(name_of(type), value), min_size=1, max_size=3))
    for name in draw(some.lists(some.sampled_from(sorted(RESULT)), max_size=2)):
        pairs.append((name, draw(some.sampled_from(RESULT[name]) | word)))
    return type, pairs


def test_made_up_searches_are_answered(engine, base, client):
    @some_of(engine, 300)
    @given(asked=search(), lenient=some.booleans())
    def searches_are_answered(asked, lenient):
        type, pairs = asked
        headers = {"prefer": "handling=lenient"} if lenient else {}
        answer = client.get(f"{base}/{type}", params=pairs, headers=headers)
        check(answer)
        if answer.status_code == 200:
            bundle = answer.json()
            assert bundle["type"] == "searchset"
            following = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
            if following:
                check(client.get(following))

    searches_are_answered()


@pytest.fixture(scope="module")
def client(base):
    with httpx.Client(timeout=60) as kept:
        yield kept


# ---------------------------------------------------------------- everything that /openapi.json names
def test_made_up_calls_of_what_is_described_are_answered(engine, base):
    described = schemathesis.openapi.from_url(f"{base.removesuffix('/fhir')}/openapi.json")
    described.config.update(base_url=base)
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) > 30
    for operation in operations:

        @some_of(engine, 8)
        @given(case=operation.as_strategy())
        def calls_are_answered(case):
            check(case.call())

        calls_are_answered()

"""Whatever a client sends: an answer or a FhirError that it can act on."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.core.errors import FhirError
from fhir_server.search.parse import parse_query
from fhir_server.search.parse.modifiers import MODIFIERS
from fhir_server.search.parse.results import RESULTS
from fhir_server.search.rewrite import simplify

TYPES = ["Patient", "Observation", "Location", "Provenance", "Bundle", "Binary", "MolecularSequence", "ValueSet"]
CODES = ["name", "code", "subject", "patient", "date", "value-quantity", "code-value-quantity", "near", "url", "target",
         "_id", "_tag", "_filter", "_has:Observation:patient:code", "subject.name", "_list", "_lastUpdated", "_text",
         "chromosome-variant-coordinate", "combo-code", *RESULTS]  # fmt: skip
MODIFIER_NAMES = [
    "",
    ":missing",
    ":Patient",
    ":iterate",
    *(f":{m}" for found in MODIFIERS.values() for m in found if m),
]
VALUE_PARTS = ["|", "$", ",", "\\", " ", "-", "ge", "ap", "1", "1e9", "2020-01-01", "T10:00", "Patient/", "a", "é", "*",
               "http://x", "(", ")", "[", "]", '"', "name", " eq ", " and ", "not ", "true", ":", ".", "\x00",
               "𝟙"]  # fmt: skip

names = st.one_of(st.builds("".join, st.tuples(st.sampled_from(CODES), st.sampled_from(MODIFIER_NAMES))), st.text())
values = st.one_of(st.lists(st.sampled_from(VALUE_PARTS), max_size=8).map("".join), st.text())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.none(), st.sampled_from(TYPES)), st.lists(st.tuples(names, values), max_size=3), st.booleans())
def test_only_errors_that_say_what_to_change_escape(context, type_name, parameters, lenient):
    try:
        query = parse_query(type_name, parameters, context, lenient=lenient)
    except FhirError as refusal:
        assert refusal.status < 500 and all(issue.diagnostics for issue in refusal.issues)
    else:
        simplify(query.where, context.fields)
        assert len(query.used) <= len(parameters)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (".".join(["subject"] * 2000), "x"),
        ("_has:Observation:patient:" * 500 + "code", "x"),
        ("_filter", "(" * 5000 + "name eq a"),
        ("_filter", "not(" * 5000 + "name eq a"),
        ("_filter", "subject[" * 5000 + "name eq a"),
        ("_filter", " or ".join(["name eq a"] * 5000)),
        ("name", "a," * 100_000 + "b"),
        ("birthdate", "9" * 100_000),
        ("identifier", "\\" * 100_001),
    ],
)
def test_nothing_is_too_long(context, name, value):
    try:
        query = parse_query("Patient", [(name, value)], context)
        simplify(query.where, context.fields)
    except FhirError as refusal:
        assert refusal.status < 500

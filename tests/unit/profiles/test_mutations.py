"""Whatever is done to a valid resource, the validator answers with issues and never with an exception."""

import copy
import functools

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.core.errors import Issue
from tests.official_examples import official_examples

from .conftest import decode, json_lines

PAYLOADS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["2024-02-30", "Patient/1", "#a", "urn:uuid:1", "male", "<div>", "http://hl7.org/fhir", "\ud800"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(
                ["resourceType", "extension", "url", "id", "valueString", "_given", "coding", "reference"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@functools.cache
def sources():
    examples = [decode(data) for name, data in official_examples() if name.startswith("spec/") and len(data) < 6000]
    return json_lines("bases.jsonl") + examples[::8]


def places(value, found):
    """(holder, key) of everything inside of a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        found.append((value, key))
        if isinstance(inner, (dict, list)):
            places(inner, found)
    return found


def mutate(data, resource):
    spots = places(resource, [])
    holder, key = data.draw(st.sampled_from(spots), label="place")
    action = data.draw(st.sampled_from(["replace", "delete", "duplicate", "swap", "rename"]), label="action")
    if action == "replace":
        holder[key] = data.draw(PAYLOADS, label="payload")
    elif action == "delete":
        del holder[key]
    elif action == "duplicate":
        holder[key] = [holder[key], copy.deepcopy(holder[key])]
    elif action == "swap":
        other, place = data.draw(st.sampled_from(spots), label="other")
        holder[key] = copy.deepcopy(other[place])
    elif isinstance(holder, dict):
        holder["_" + key] = holder.pop(key)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_mutated_resource_gets_issues_never_an_exception(validator, data):
    resource = copy.deepcopy(data.draw(st.sampled_from(sources()), label="resource"))
    for _ in range(data.draw(st.integers(1, 3))):
        mutate(data, resource)
    for issue in validator.validate(resource):
        assert isinstance(issue, Issue)
        assert issue.rule and issue.diagnostics and issue.expression


@settings(max_examples=200, deadline=None)
@given(PAYLOADS)
def test_anything_else_gets_issues_never_an_exception(validator, value):
    assert validator.validate(value)

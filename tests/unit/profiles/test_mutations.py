"""Whatever is done to a valid resource, the validator answers with issues and never with an exception."""

import copy
import functools

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.core.errors import Issue
from fhir_server.definitions import load
from profiles.packages import PackageStore
from profiles.validator import Validator
from terminology import Terminology
from tests.official_examples import official_examples

from .conftest import Known, decode, json_lines, package
from .test_published_packages import examples

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
    if not spots:
        return
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


US_CORE, IPS = "hl7.fhir.us.core-6.1.0", "hl7.fhir.uv.ips-1.1.0"
SUMMARY = "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips"


@functools.cache
def conforming():
    """Examples that declare profiles, small Bundles among them, and the profile that they are checked against too."""
    found = [(resource, ()) for resource in list(examples(US_CORE).values())[::3]]
    return found + [(r, (SUMMARY,)) for r in examples(IPS).values() if r["resourceType"] == "Bundle"][:3]


@functools.cache
def with_profiles():
    store, terminology = PackageStore(), Terminology()
    for name in (US_CORE, IPS):
        store.install(package(name), terminology.put)
    return Validator(load(), sources=[store], terminology=terminology)


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_a_mutated_resource_with_profiles_gets_issues_never_an_exception(data):
    chosen, profiles = data.draw(st.sampled_from(conforming()), label="resource")
    resource = copy.deepcopy(chosen)
    for _ in range(data.draw(st.integers(1, 3))):
        mutate(data, resource)
    for issue in with_profiles().validate(resource, profiles):
        assert issue.rule and issue.diagnostics and issue.expression


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_a_mutated_profile_is_refused_with_an_error_or_works(data):
    url = data.draw(st.sampled_from([u for u, _, _ in with_profiles().registry.sources[0].urls("StructureDefinition")]))
    structure = copy.deepcopy(with_profiles().registry.structure(url))
    structure.pop("snapshot", None)
    for _ in range(data.draw(st.integers(1, 2))):
        mutate(data, structure["differential"])
    source = Known({"resourceType": "StructureDefinition", **structure, "url": url})
    validator = Validator(load(), sources=[source, *with_profiles().registry.sources])
    resource = (
        {"resourceType": structure["type"]} if load().is_resource(structure["type"]) else {"resourceType": "Patient"}
    )
    for issue in validator.validate(resource, [url]):
        assert issue.rule and issue.diagnostics

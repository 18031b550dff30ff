"""Snapshots made of differentials: as HL7 makes them, and clear errors where none can be made."""

import functools

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.definitions import load
from profiles.packages import PackageStore
from profiles.snapshot import Registry

from .conftest import Known, package, profile


class Differentials:
    """A source of which only the differentials are seen."""

    def __init__(self, source):
        self.source = source

    def find(self, type, canonical):
        found = self.source.find(type, canonical)
        return found and {key: value for key, value in found.items() if key != "snapshot"}


# HL7's snapshots repeat on an element what its data type says of itself
OF_DATA_TYPES = {
    invariant.key
    for definition in load().types.values()
    if definition.kind == "complex"
    for invariant in definition.invariants
} | {"sqty-1"}


def facts(element):
    """What validation needs of an element, in a form that does not depend on the order it was written in."""
    binding = element.get("binding", {})
    return {
        **{key: element[key] for key in ("min", "max", "sliceName", "maxLength") if key in element},
        **{key: value for key, value in element.items() if key.startswith(("fixed", "pattern", "minV", "maxV"))},
        "mustSupport": element.get("mustSupport", False),
        "binding": (binding.get("strength"), binding.get("valueSet", "").partition("|")[0])
        if binding.get("strength") in ("required", "extensible")
        else None,
        "types": sorted(
            (entry["code"], *entry.get("profile", ()), *sorted(entry.get("targetProfile", ())))
            for entry in element.get("type", ())
            if not entry["code"].startswith("http:")
        ),
        "rules": {c["key"] for c in element.get("constraint", ())} - OF_DATA_TYPES,
        "slicing": (element["slicing"]["rules"], element["slicing"].get("discriminator"))
        if "slicing" in element
        else None,
    }


@functools.cache
def store():
    store = PackageStore()
    store.install(package("hl7.fhir.us.core-6.1.0"))
    store.install(package("hl7.fhir.uv.ips-1.1.0"))
    return store


NEEDS_SDC = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-questionnaireresponse"
URLS = [url for url, _, _ in store().urls("StructureDefinition") if url != NEEDS_SDC]
# how HL7's tool writes what means the same
SAME = {
    ("Observation-results-laboratory-uv-ips", "Observation.value[x]"),  # its differential closes the slicing
    ("Observation-results-pathology-uv-ips", "Observation.value[x]"),
    ("us-core-observation-occupation", "Observation.component:industry.value[x]"),  # as a slice of value[x]
    ("Coding-uv-ips", "Coding.display.value"),  # the length of a string's own value
}


@pytest.mark.parametrize("url", URLS, ids=lambda url: url.rpartition("/")[2])
def test_a_differential_makes_the_snapshot_that_hl7_publishes(url):
    published = store().find("StructureDefinition", url)
    tree = Registry(load(), Differentials(store())).tree(url)
    made = {identifier: facts(node.element) for _, identifier, node in tree.walk()}
    for element in published["snapshot"]["element"]:
        identifier = element["id"]
        name = identifier.rpartition(".")[2]
        if identifier not in made or "." not in identifier or name == "id" or "contentReference" in element:
            continue
        if (url.rpartition("/")[2], identifier) in SAME:
            continue
        expected = facts(element)
        if name in ("extension", "modifierExtension") and made[identifier]["slicing"] is None:
            expected["slicing"] = None
        if name == "resource":  # HL7's repeat the rules of the resource's type
            expected["rules"] = set()
        if not expected["types"]:
            expected["types"] = made[identifier]["types"]
        if expected["types"] == [("Reference", "http://hl7.org/fhir/StructureDefinition/Resource")]:
            expected["types"] = [("Reference",)]
        if name.endswith("[x]") and len(expected["types"]) == 1:
            expected["slicing"] = made[identifier]["slicing"]
        assert made[identifier] == expected, identifier


def tree_of(*profiles):
    return Registry(load(), Known(*profiles)).tree(profiles[0]["url"])


def nodes(tree):
    return {identifier: node.element for _, identifier, node in tree.walk()}


def test_a_slice_starts_from_what_the_base_says_and_is_optional():
    sliced = profile(
        "Patient",
        ("Patient.name", {"min": 1}),
        ("Patient.identifier", {"slicing": {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}}),
        ("Patient.identifier", {"sliceName": "mrn", "max": "1"}),
        ("Patient.identifier.system", {"min": 1, "fixedUri": "http://example.org/mrn"}),
    )
    made = nodes(tree_of(sliced))
    assert (made["Patient.identifier:mrn"]["min"], made["Patient.identifier:mrn"]["max"]) == (0, "1")
    assert made["Patient.identifier:mrn.system"]["fixedUri"] == "http://example.org/mrn"
    assert made["Patient.identifier"]["max"] == "*"
    assert made["Patient.name"]["min"] == 1


def test_a_profile_of_a_profile_inherits():
    parent = profile("Patient", ("Patient.name", {"min": 1}), ("Patient.birthDate", {"min": 1}), name="parent")
    child = profile("Patient", ("Patient.name", {"max": "1"}), base=parent["url"])
    made = nodes(tree_of(child, parent))
    assert (made["Patient.name"]["min"], made["Patient.name"]["max"]) == (1, "1")
    assert made["Patient.birthDate"]["min"] == 1


def test_a_required_valueQuantity_narrows_the_choice():
    made = nodes(tree_of(profile("Observation", ("Observation.valueQuantity", {"min": 1}))))
    assert made["Observation.value[x]"]["min"] == 1
    assert [entry["code"] for entry in made["Observation.value[x]"]["type"]] == ["Quantity"]


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        ([profile("Patient", ("Patient.nam", {"min": 1}))], "Patient has no element nam"),
        ([profile("Patient", ("Patient.name.first", {"min": 1}))], "name has no element first"),
        (
            [profile("Patient", ("Patient.name", {"max": "1"}), base="http://example.org/none")],
            "http://example.org/none",
        ),
        ([profile("Patient", base="http://example.org/p")], "builds on itself"),
        (
            [
                profile("Patient", base="http://example.org/q"),
                profile("Patient", name="q", base="http://example.org/p"),
            ],
            "http://example.org/p -> http://example.org/q -> http://example.org/p",
        ),
        ([profile("Patient", ("Patient.link.other", {"min": 0}))], "less than the 1 of its base"),
        ([profile("Patient", ("Patient.birthDate", {"max": "2"}))], "more than the 1 of its base"),
        ([profile("Pat", ("Pat.name", {"min": 1}))], "no type of R4"),
        ([profile("Patient", ("Patient.name", {"min": "1"}))], "malformed"),
    ],
)
def test_a_profile_that_can_not_be_made_says_why(broken, text):
    with pytest.raises(FhirError) as refused:
        tree_of(*broken)
    assert refused.value.category == "unprocessable" and text in str(refused.value)


def test_an_unknown_profile_has_no_tree():
    assert Registry(load()).tree("http://example.org/none") is None


def test_r4s_own_profiles_and_extensions_are_known():
    registry = Registry(load())
    assert registry.tree("http://hl7.org/fhir/StructureDefinition/bodyweight") is not None
    assert registry.type_of("http://hl7.org/fhir/StructureDefinition/patient-birthPlace") == "Extension"
    assert registry.type_of("http://hl7.org/fhir/StructureDefinition/Patient") == "Patient"

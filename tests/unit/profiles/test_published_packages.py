"""US Core and the International Patient Summary: their examples are right, and a mistake in one is told once."""

import copy
import functools
import io
import tarfile

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.definitions import load
from profiles.packages import PackageStore
from profiles.validator import Validator
from terminology import Terminology

from .conftest import decode, package

US_CORE, US_CORE_7, IPS = "hl7.fhir.us.core-6.1.0", "hl7.fhir.us.core-7.0.0", "hl7.fhir.uv.ips-1.1.0"
IPS_BUNDLE = "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips"

FULL_URL = "breaks R4: a fullUrl does not agree with the id of its resource"
WRONG = {  # (package, example) -> the rule that it breaks, and why that is right
    (US_CORE, "Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json"): ("bundle-full-url", FULL_URL),
    (US_CORE, "Bundle-docref-example-2.json"): ("bundle-full-url", FULL_URL),
}


@functools.cache
def examples(name):
    """File name -> resource of a package's examples."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(package(name)), mode="r:gz") as archive:
        for member in archive:
            folder, _, file = member.name.rpartition("/")
            if folder == "package/example" and not file.startswith("."):
                found[file] = decode(archive.extractfile(member).read())
    return found


@functools.cache
def validator(name):
    store, terminology = PackageStore(), Terminology()
    store.install(package(name), terminology.put)
    return Validator(load(), sources=[store], terminology=terminology)


def errors(name, resource, *profiles):
    return [(i.expression, i.rule) for i in validator(name).validate(resource, profiles) if i.severity == "error"]


@pytest.mark.parametrize(("name", "count"), [(US_CORE, 183), (US_CORE_7, 214), (IPS, 40)])
def test_the_examples_validate_against_their_profiles(name, count):
    assert len(examples(name)) == count
    wrong = {file: {rule for _, rule in errors(name, resource)} for file, resource in examples(name).items()}
    expected = {file: {rule} for (package, file), (rule, _) in WRONG.items() if package == name}
    assert {file: rules for file, rules in wrong.items() if rules} == expected


def test_the_examples_of_the_patient_summary_are_patient_summaries():
    bundles = [r for r in examples(IPS).values() if r["resourceType"] == "Bundle"]
    assert len(bundles) >= 4
    for bundle in bundles:
        assert errors(IPS, bundle, IPS_BUNDLE) == []


def test_every_profile_of_the_packages_can_be_compiled():
    for name in (US_CORE, US_CORE_7, IPS):
        found = validator(name)
        for source in found.registry.sources:
            for url, version, _ in source.urls("StructureDefinition"):
                profile = found.profiles.profile(f"{url}|{version}")
                try:
                    profile.check({"resourceType": profile.type}, None, profile.type, None)
                except FhirError as failure:
                    raise AssertionError(url) from failure
                except AttributeError:
                    pass  # there is no context to check in, but it was compiled


def changed(resource, path, *value):
    """A copy in which the place at a path has another value, or is gone."""
    resource = copy.deepcopy(resource)
    *outer, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    holder = resource
    for part in outer:
        holder = holder[part]
    if not value:
        del holder[last]
    elif isinstance(holder, list) and last == len(holder):
        holder.append(value[0])
    else:
        holder[last] = value[0]
    return resource


RACE = "extension/0/extension"
MISTAKES = [
    ("Patient-example", "name", (), "Patient.name", "cardinality-min"),
    ("Patient-example", "gender", (), "Patient.gender", "cardinality-min"),
    ("Patient-example", "identifier/0/system", (), "Patient.identifier[0].system", "cardinality-min"),
    ("Patient-example", "telecom/0/value", (), "Patient.telecom[0].value", "cardinality-min"),
    ("Patient-example", "name/0", ({"use": "old"},), "Patient.name[0]", "us-core-6"),
    ("Patient-example", RACE + "/0", ({"url": "ombCategory", "valueString": "x"},),
     "Patient.extension[0].extension[0].value", "type-not-allowed"),
    ("Patient-example", "extension/6", ({"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-sex",
                                         "valueCode": "248152002"},), "Patient.extension[6]", "slice-max"),
    ("Observation-blood-pressure", "component/0", (), "Observation.component", "slice-min"),
    ("Observation-blood-pressure", "component/0/valueQuantity/code", ("kPa",),
     "Observation.component[0].value.code", "fixed"),
    ("Observation-blood-pressure", "component/0/valueQuantity/unit", (),
     "Observation.component[0].value.unit", "cardinality-min"),
    ("Observation-blood-pressure", "category/0/coding/0/code", ("laboratory",), "Observation.category", "slice-min"),
    ("Observation-blood-pressure", "code/coding/0/code", ("1-8",), "Observation.code", "pattern"),
    ("Observation-blood-pressure", "effectiveDateTime", (), "Observation.effective", "cardinality-min"),
    ("Observation-heart-rate", "subject/reference", ("Group/1",), "Observation.subject.reference", "reference-target"),
    ("Observation-heart-rate", "valueQuantity", (), "Observation", "vs-2"),
    ("Observation-heart-rate", "valueQuantity/code", ("x",), "Observation.value.code", "fixed"),
    ("Observation-heart-rate", "status", ("done",), "Observation.status", "binding-required"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "path", "value", "expression", "rule"), MISTAKES)
def test_one_mistake_is_one_issue(file, path, value, expression, rule):
    resource = changed(examples(US_CORE)[file + ".json"], path, *value)
    assert errors(US_CORE, resource) == [(expression, rule)]


SUMMARY = "Bundle-IPS-examples-Bundle-01.json"


@pytest.mark.parametrize(
    ("path", "value", "expression", "rule"),
    [
        ("entry/1/resource/birthDate", (), "Bundle.entry[1].resource.birthDate", "cardinality-min"),
        ("entry/0/resource/section/0/entry/0/reference", ("Patient/2b90dd2b-2dab-4c75-9bb9-a355e07401e8",),
         "Bundle.entry[0].resource.section[0].entry[0].reference", "reference-target"),
        ("type", ("collection",), "Bundle.type", "fixed"),
    ],
)  # fmt: skip
def test_one_mistake_in_a_document_is_one_issue(path, value, expression, rule):
    resource = changed(examples(IPS)[SUMMARY], path, *value)
    assert (expression, rule) in errors(IPS, resource, IPS_BUNDLE)
    assert len(errors(IPS, resource, IPS_BUNDLE)) == 1


def test_a_section_that_is_missing_from_a_document():
    bundle = copy.deepcopy(examples(IPS)[SUMMARY])
    composition = bundle["entry"][0]["resource"]
    composition["section"] = [s for s in composition["section"] if s["code"]["coding"][0]["code"] != "48765-2"]
    assert errors(IPS, bundle, IPS_BUNDLE) == [("Bundle.entry[0].resource.section", "slice-min")]


def test_installing_does_not_compile_anything():
    store = PackageStore()
    store.install(package(US_CORE))
    found = Validator(load(), sources=[store])
    assert found.check(examples(US_CORE)["Patient-example.json"]) == []
    assert found.profiles._profiles == {}

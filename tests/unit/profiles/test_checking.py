"""What the settings make of a broken profile on a write."""

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.definitions import load
from profiles.checking import Checker
from profiles.packages import PackageStore
from profiles.validator import Validator

from .conftest import Known, as_parsed, package, profile

STRICT = profile("Patient", ("Patient.name", {"min": 1}))
PATIENT = as_parsed({"resourceType": "Patient", "active": True})
DECLARING = as_parsed({**PATIENT, "meta": {"profile": [STRICT["url"]]}})
WRONG = as_parsed({"resourceType": "Patient", "gender": "m"})


def severities(resource, validation="base", **settings):
    checker = Checker(Settings(validation=validation, **settings), load(), [Known(STRICT)])
    return [(issue.severity, issue.rule) for issue in checker.check(resource)]


def test_none_takes_what_can_be_stored():
    assert severities(WRONG, "none") == []
    assert severities({"resourceType": "Pat"}, "none") == [("error", "resource-type")]


def test_base_knows_no_profiles():
    assert severities(DECLARING) == []
    assert severities(WRONG) == [("error", "binding-required")]


def test_declared_checks_what_a_resource_says_of_itself():
    assert severities(PATIENT, "declared") == []
    assert severities(DECLARING, "declared") == [("error", "cardinality-min")]


def test_declared_checks_the_entries_of_a_bundle():
    entry = {"fullUrl": "http://example.org/1", "resource": DECLARING}
    bundle = as_parsed({"resourceType": "Bundle", "type": "collection", "entry": [entry]})
    assert severities(bundle, "declared") == [("error", "cardinality-min")]


def test_a_declared_profile_that_is_not_known_is_a_warning():
    resource = as_parsed({**PATIENT, "meta": {"profile": ["http://example.org/none"]}})
    assert severities(resource, "declared") == [("warning", "profile-unknown")]


def test_required_profiles_hold_for_resources_of_their_type():
    required = [STRICT["url"]]
    assert severities(PATIENT, required_profiles=required) == [("error", "cardinality-min")]
    assert severities(as_parsed({"resourceType": "Basic", "code": {"text": "x"}}), required_profiles=required) == []


def test_a_required_profile_that_is_not_known_is_a_warning():
    assert severities(PATIENT, required_profiles=["http://example.org/none"]) == [("warning", "profile-unknown")]


def test_a_start_with_a_required_profile_that_is_not_known_says_so():
    Checker(Settings(required_profiles=[STRICT["url"]]), load(), [Known(STRICT)]).require_known()
    with pytest.raises(FhirError, match="install its package"):
        Checker(Settings(required_profiles=["http://example.org/none"]), load()).require_known()
    broken = profile("Patient", ("Patient.nam", {"min": 1}))
    with pytest.raises(FhirError, match="no element nam"):
        Checker(Settings(required_profiles=[broken["url"]]), load(), [Known(broken)]).require_known()


def test_violations_can_be_warnings_but_not_those_of_r4():
    settings = {"required_profiles": [STRICT["url"]], "profile_violations": "warn"}
    assert severities(PATIENT, **settings) == [("warning", "cardinality-min")]
    assert severities(WRONG, **settings) == [("error", "binding-required")]


@pytest.mark.parametrize("validation", ["none", "base", "declared"])
def test_validate_always_tells_all(validation):
    checker = Checker(Settings(validation=validation), load(), [Known(STRICT)])
    assert [issue.rule for issue in checker.validate(DECLARING)] == ["cardinality-min"]
    assert [issue.rule for issue in checker.validate(PATIENT, ["http://example.org/none"])] == ["profile-unknown"]


def test_a_package_installed_later_counts_at_once():
    store = PackageStore()
    validator = Validator(load(), sources=[store])
    url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
    assert [issue.rule for issue in validator.validate(PATIENT, [url])] == ["profile-unknown"]
    store.install(package("hl7.fhir.us.core-6.1.0"))
    assert {issue.rule for issue in validator.validate(PATIENT, [url])} == {"cardinality-min"}
    store.remove("hl7.fhir.us.core")
    assert [issue.rule for issue in validator.validate(PATIENT, [url])] == ["profile-unknown"]


def test_an_issue_names_its_profile():
    [issue] = Validator(load(), sources=[Known(STRICT)]).validate(PATIENT, [STRICT["url"]])
    assert issue.profile == STRICT["url"]
    assert issue.to_fhir()["details"] == {"coding": [{"code": "cardinality-min", "system": STRICT["url"]}]}


def test_what_r4_says_is_not_said_again_by_a_profile():
    strict = profile("Patient", ("Patient.gender", {"min": 1, "fixedCode": "female"}))
    found = Validator(load(), sources=[Known(strict)]).validate(WRONG, [strict["url"]])
    assert [(issue.expression, issue.rule) for issue in found] == [("Patient.gender", "binding-required")]

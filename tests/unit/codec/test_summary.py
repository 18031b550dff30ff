import pytest

from fhir_server.codec.summary import SUBSETTED, elements, require_elements, summarize
from fhir_server.core.errors import FhirError
from fhir_server.definitions import load

DEFINITIONS = load()

PATIENT = {
    "resourceType": "Patient",
    "text": {"status": "generated", "div": "<div>x</div>"},
    "id": "1",
    "meta": {"versionId": "3", "tag": [{"code": "mine"}]},
    "contained": [{"resourceType": "Organization", "id": "o"}],
    "extension": [{"url": "http://x", "valueString": "y"}],
    "modifierExtension": [{"url": "http://m", "valueBoolean": True}],
    "active": True,
    "name": [{"family": "A", "given": ["B"], "_family": {"id": "f"}, "extension": [{"url": "http://x"}]}],
    "photo": [{"url": "http://p", "data": "AAAA"}],
    "contact": [{"name": {"text": "C"}, "gender": "male"}],
    "communication": [{"language": {"text": "de"}, "preferred": True}],
    "link": [{"other": {"reference": "Patient/2"}, "type": "seealso"}],
}


def summary(mode: str, resource: dict = PATIENT) -> dict:
    return summarize(resource, mode, DEFINITIONS)


def chosen(*names: str, resource: dict = PATIENT) -> dict:
    return elements(resource, names, DEFINITIONS)


def test_true_keeps_what_the_definitions_mark_at_every_level():
    kept = summary("true")
    assert list(kept) == ["resourceType", "id", "meta", "modifierExtension", "active", "name", "link"]
    assert kept["name"] == [{"family": "A", "given": ["B"], "_family": {"id": "f"}}]
    assert kept["modifierExtension"] == PATIENT["modifierExtension"]


def test_text_keeps_the_narrative_and_what_is_mandatory():
    assert set(summary("text")) == {"resourceType", "id", "meta", "text"}
    observation = {"resourceType": "Observation", "id": "1", "status": "final", "code": {"text": "x"}, "issued": "2020"}
    assert set(summary("text", observation)) == {"resourceType", "id", "meta", "status", "code"}


def test_data_drops_the_narrative_only():
    kept = summary("data")
    assert set(PATIENT) - set(kept) == {"text"}
    composition = {"resourceType": "Composition", "section": [{"text": {"status": "generated", "div": "<div/>"}}]}
    assert summary("data", composition)["section"] == composition["section"]


def test_false_keeps_all_and_an_unknown_mode_is_refused():
    assert summary("false") is PATIENT
    with pytest.raises(FhirError, match="use true, text, data"):
        summary("some")


@pytest.mark.parametrize("mode", ["true", "text", "data"])
def test_what_is_cut_is_marked_once_beside_other_tags(mode):
    kept = summary(mode, summary(mode))
    assert kept["meta"] == {"versionId": "3", "tag": [{"code": "mine"}, SUBSETTED]}
    assert PATIENT["meta"] == {"versionId": "3", "tag": [{"code": "mine"}]}


def test_resources_of_a_bundle_are_cut_and_marked_too():
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:x", "resource": PATIENT}]}
    for mode in ("true", "data"):
        kept = summary(mode, bundle)["entry"][0]
        assert kept["fullUrl"] == "urn:x"
        assert "text" not in kept["resource"]
        assert SUBSETTED in kept["resource"]["meta"]["tag"]


def test_mandatory_elements_with_data_absent_reason_stay():
    absent = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
    }
    assert summary("true", {"resourceType": "Observation", "_status": absent})["_status"] == absent


def test_elements_keeps_the_named_and_the_mandatory():
    assert set(chosen("name", "active")) == {"resourceType", "id", "meta", "name", "active"}
    observation = {"resourceType": "Observation", "id": "1", "status": "final", "code": {"text": "x"}, "issued": "2020"}
    assert set(chosen("subject", resource=observation)) == {"resourceType", "id", "meta", "status", "code"}


def test_elements_takes_paths_and_keeps_what_is_mandatory_beside_them():
    assert chosen("name.family")["name"] == [{"family": "A", "_family": {"id": "f"}}]
    assert chosen("communication.preferred")["communication"] == PATIENT["communication"]
    assert chosen("contact.name.text", "contact.gender")["contact"] == PATIENT["contact"]


@pytest.mark.parametrize("name", ["value", "valueQuantity", "value[x]", "Observation.value"])
def test_a_choice_may_be_named_in_each_way(name):
    observation = {"resourceType": "Observation", "valueQuantity": {"value": 1}, "issued": "2020"}
    assert "valueQuantity" in chosen(name, resource=observation)
    assert "issued" not in chosen(name, resource=observation)


def test_names_of_other_types_are_passed_over():
    assert set(chosen("Observation.code", "Patient.active")) == {"resourceType", "id", "meta", "active"}


def test_an_unknown_name_is_refused_with_the_nearest():
    require_elements(["name.family", "Patient.active", "valueQuantity"], ["Patient", "Observation"], DEFINITIONS)
    with pytest.raises(FhirError, match=r"birthdate.* Did you mean birthDate"):
        require_elements(["birthdate"], ["Patient"], DEFINITIONS)
    with pytest.raises(FhirError, match=r"no element name.famly. Did you mean name"):
        require_elements(["name.famly"], ["Patient"], DEFINITIONS)
    with pytest.raises(FhirError, match="_elements: no resource type has an element nonsense"):
        require_elements(["nonsense"], DEFINITIONS.resource_types, DEFINITIONS)
    for name in ("", ".", "name.", "Patient", "name.family.x.y"):
        with pytest.raises(FhirError):
            require_elements([name], ["Patient"], DEFINITIONS)


def test_odd_names_never_crash():
    assert set(chosen("", ".", "name..x", "Patient.", "..")) <= {"resourceType", "id", "meta", "name"}

import copy
from pathlib import Path

import pytest
from lxml import etree

from fhir_server.codec import json
from fhir_server.core.errors import FhirError
from fhir_server.definitions import load
from fhir_server.interactions.patching import xml_patch

DEFINITIONS = load()
CASES = etree.parse(Path(__file__).parents[3] / "data/patch/xml-patch-tests.xml").getroot().findall("case")

PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>a&#160;b<br /></div>"},
    "extension": [{"url": "http://x", "valueDecimal": json.parse(b'{"v":1.50}')["v"]}],
    "active": True,
    "name": [{"use": "usual", "family": "A", "given": ["B", "C"]}, {"use": "old", "family": "Z"}],
}


def patched(operations: str, attributes: str = 'xmlns="http://hl7.org/fhir"') -> dict:
    return xml_patch.apply(PATIENT, f"<diff {attributes}>{operations}</diff>".encode(), DEFINITIONS)


def refusal(operations: str | bytes, category: str = "unprocessable") -> str:
    document = (
        operations
        if isinstance(operations, bytes)
        else f"<diff xmlns='http://hl7.org/fhir'>{operations}</diff>".encode()
    )
    before = copy.deepcopy(PATIENT)
    with pytest.raises(FhirError) as caught:
        xml_patch.apply(PATIENT, document, DEFINITIONS)
    assert caught.value.category == category
    assert before == PATIENT
    return str(caught.value)


def only_child(case: etree._Element, name: str) -> bytes:
    """The document inside an element of a case, with its own namespaces only; b"" where there is none."""
    return b"".join(etree.tostring(child, with_tail=False) for child in case.find(name))


def canonical(document: bytes) -> str:
    """Canonical XML without white space between elements and without the declarations that nothing uses."""
    return etree.canonicalize(document.decode(), strip_text=True, with_comments=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.get("name"))
def test_official_case(case):
    namespace = "{http://hl7.org/fhir}"
    patch = etree.tostring(case.find(f"{namespace}patch"), with_tail=False)
    if case.find("error") is not None:
        with pytest.raises(FhirError):
            xml_patch.apply_operations(only_child(case, "target"), patch)
    else:
        result = xml_patch.apply_operations(only_child(case, "target"), patch)
        assert canonical(result) == canonical(only_child(case, "patched"))


def test_operations_work_one_after_another_on_a_copy():
    result = patched(
        """<replace sel="f:Patient/f:active/@value">false</replace>
        <add sel="f:Patient/f:name[1]/f:given[1]" pos="after"><given value="N"/></add>
        <remove sel="Patient/name[f:use/@value='old']"/>
        <add sel="Patient/name[last()]" pos="after">
          <gender value="female"/><birthDate value="2000-01-01"/>
        </add>
        <add sel="/Patient/birthDate" type="@id">bd</add>"""
    )
    assert list(result) == [
        "resourceType",
        "id",
        "text",
        "extension",
        "active",
        "name",
        "gender",
        "birthDate",
        "_birthDate",
    ]
    assert result["active"] is False
    assert result["name"] == [{"use": "usual", "family": "A", "given": ["B", "N", "C"]}]
    assert result["_birthDate"] == {"id": "bd"}
    assert len(PATIENT["name"]) == 2


def test_prepended_elements_come_first():
    extension = "<extension url='http://y'><valueCode value='c'/></extension>"
    result = patched(f"<add sel='f:Patient/f:name[1]' pos='prepend'>{extension}</add>")
    assert result["name"][0]["extension"] == [{"url": "http://y", "valueCode": "c"}]


def test_digits_and_the_letters_of_narratives_stay():
    result = patched("<remove sel='f:Patient/f:active'/>")
    assert result["text"] == PATIENT["text"]
    assert b"1.50" in json.serialize(result)


def test_a_narrative_can_be_changed():
    result = patched("<replace sel='Patient/text/h:div'><div xmlns='http://www.w3.org/1999/xhtml'>new</div></replace>")
    assert result["text"]["div"] == '<div xmlns="http://www.w3.org/1999/xhtml">new</div>'


def test_prefixes_are_those_of_the_patch():
    result = patched(
        "<p:remove sel='x:Patient/x:active'/>", 'xmlns:p="urn:ietf:rfc:7351" xmlns:x="http://hl7.org/fhir"'
    )
    assert "active" not in result


@pytest.mark.parametrize(
    ("operations", "says"),
    [
        ("<remove sel='f:Patient/f:photo'/>", "Operation 0 (<remove sel='f:Patient/f:photo'>) of the XML Patch"),
        ("<remove sel='f:Patient/f:name'/>", "selects 2 nodes; make it select one"),
        ("<remove sel='f:Patient/f:active'/><remove sel='f:Patient/f:active'/>", "Operation 1"),
        ("<remove sel='f:Patient'/>", "would remove the whole resource"),
        ("<add sel='f:Patient/f:active' type='@value'>x</add>", "adds the attribute value, which is there"),
        ("<add sel='f:Patient' pos='before'><x/></add>", "to stand beside"),
        ("<add sel='f:Patient/f:active/@value'><x/></add>", "selects no element to add to"),
        ("<add sel='f:Patient'><birthdate value='2000'/></add>", "no R4 resource: Patient has no element birthdate"),
        ("<add sel='f:Patient'><active value='true'/></add>", "<active> comes too late"),
        ("<remove sel='f:Patient/f:name[2]/f:family/@value'/>", "<family> is empty"),
        ("<replace sel='f:Patient'><Nonsense/></replace>", "no resource type of R4"),
    ],
)  # fmt: skip
def test_an_operation_that_can_not_be_applied_says_why(operations, says):
    assert says in refusal(operations)


@pytest.mark.parametrize(
    ("operations", "says"),
    [
        ("", "has no operations"),
        ("<change sel='x'/>", "is none of <add>, <replace>, <remove>"),
        ("<remove/>", "needs a sel attribute"),
        ("<remove sel='f:Patient/f:active[' />", "has a sel that is no path"),
        ("<remove sel='f:Patient and'/>", "has a sel that"),
        ("<remove sel='//f:active'/>", "has '//f:active', which is not of RFC 5261"),
        ("<remove sel='ancestor::*'/>", "not of RFC 5261"),
        ("<remove sel='/f:Patient/../x'/>", "not of RFC 5261"),
        ("<remove sel='f:Patient[/f:Patient]'/>", "absolute path inside"),
        ("<remove sel='f:Patient[f:a and /f:Patient]'/>", "absolute path inside"),
        ("<remove sel='f:Patient[count(/f:Patient)=1]'/>", "absolute path inside"),
        ("<remove sel='document(1)'/>", "uses document(), which is not of RFC 5261"),
        ("<remove sel='q:Patient'/>", "has a sel that is no path"),
        ("<remove sel='count(f:Patient)'/>", "has a sel that"),
        (f"<remove sel='f:Patient{'/f:a' * 1000}'/>", "longer than 1000"),
        ("<add sel='f:Patient' pos='inside'/>", "has pos='inside'"),
        ("<add sel='f:Patient' type='value'/>", "has type='value'"),
        ("<add sel='f:Patient' type='@'/>", "names no attribute"),
        ("<add sel='f:Patient' type='@q:a'/>", "names no attribute"),
        ("<add sel='f:Patient' type='@a b'/>", "names no attribute"),
        ("<add sel='f:Patient' type='namespace::1'>urn:x</add>", "can't be declared"),
        ("<add sel='f:Patient' type='@a'><x/></add>", "needs text inside"),
        ("<replace sel='f:Patient/f:active'/>", "put exactly one inside"),
        ("<replace sel='f:Patient/f:active'><a/><b/></replace>", "put exactly one inside"),
        ("<remove sel='f:Patient/f:active' ws='all'/>", "has a ws that is not"),
        (b"", "not XML"),
        (b"{}", "not XML"),
        (b"<Patient xmlns='http://hl7.org/fhir'/>", "is a <diff> or <patch> element, not <Patient>"),
        (b"<!DOCTYPE diff [<!ENTITY e 'x'>]><diff><remove sel='&e;'/></diff>", "has a DOCTYPE"),
        ("<diff><remove/></diff>".encode("utf-16"), "not XML in UTF-8"),
        (b"<diff>" * 5000 + b"</diff>" * 5000, "not XML"),
    ],
)  # fmt: skip
def test_what_is_no_patch_is_malformed(operations, says):
    assert says in refusal(operations, "malformed")


def test_text_around_changed_nodes_stays():
    document = b"<a>1<b/>2<!-- c -->3<d/>4</a>"
    for operation, expected in [
        ("<remove sel='/*/comment()'/>", b"<a>1<b/>23<d/>4</a>"),
        ("<replace sel='/*/text()[2]'>x</replace>", b"<a>1<b/>x<!-- c -->3<d/>4</a>"),
        ("<add sel='/*/comment()' pos='before'>x<e/>y</add>", b"<a>1<b/>2x<e/>y<!-- c -->3<d/>4</a>"),
        ("<add sel='/*/comment()' pos='after'>x<e/>y</add>", b"<a>1<b/>2<!-- c -->x<e/>y3<d/>4</a>"),
        ("<add sel='/*' pos='prepend'>x<e/>y</add>", b"<a>x<e/>y1<b/>2<!-- c -->3<d/>4</a>"),
        ("<add sel='/*'>x<e/>y</add>", b"<a>1<b/>2<!-- c -->3<d/>4x<e/>y</a>"),
        ("<add sel='/*' pos='prepend'>x</add>", b"<a>x1<b/>2<!-- c -->3<d/>4</a>"),
        ("<replace sel='/*/comment()'><!--n--></replace>", b"<a>1<b/>2<!--n-->3<d/>4</a>"),
    ]:
        assert xml_patch.apply_operations(document, f"<diff>{operation}</diff>".encode()) == expected

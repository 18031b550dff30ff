from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from fhir_server.codec import json, xml
from fhir_server.core.errors import FhirError
from fhir_server.definitions import load

DEFINITIONS = load()
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'


def read(text: str) -> dict:
    return xml.parse(text.encode(), DEFINITIONS)


def patient(content: str) -> dict:
    return read(f'<Patient xmlns="http://hl7.org/fhir">{content}</Patient>')


def written(resource: dict) -> str:
    return xml.serialize(resource, DEFINITIONS).decode()


def content(resource: dict) -> str:
    """What is inside the root element."""
    text = written(resource)
    return text[text.index(">", text.index("xmlns=")) + 1 : text.rindex("</")]


def refusal(text: str | bytes) -> str:
    with pytest.raises(FhirError) as caught:
        xml.parse(text if isinstance(text, bytes) else text.encode(), DEFINITIONS)
    assert caught.value.category == "malformed"
    return str(caught.value)


def patient_refusal(content: str) -> str:
    return refusal(f'<Patient xmlns="http://hl7.org/fhir">{content}</Patient>')


def test_values_take_their_json_types():
    observation = read(
        '<Observation xmlns="http://hl7.org/fhir"><valueSampledData><origin><value value="1.00"/></origin>'
        '<period value="5"/><dimensions value="3"/></valueSampledData></Observation>'
    )
    assert json.serialize(observation["valueSampledData"]) == b'{"origin":{"value":1.00},"period":5,"dimensions":3}'
    assert patient('<active value="true"/><multipleBirthInteger value="-2"/>') == {
        "resourceType": "Patient",
        "active": True,
        "multipleBirthInteger": -2,
    }


def test_ids_and_extensions_of_primitives_are_twins_aligned_by_nulls():
    resource = patient(
        '<name><given value="A"/><given id="b"/><given value="C"><extension url="http://x"><valueCode value="y"/>'
        '</extension></given><given value="D"/></name><birthDate id="d" value="2000"/>'
    )
    extension = {"extension": [{"url": "http://x", "valueCode": "y"}]}
    assert resource["name"] == [{"given": ["A", None, "C", "D"], "_given": [None, {"id": "b"}, extension, None]}]
    assert (resource["birthDate"], resource["_birthDate"]) == ("2000", {"id": "d"})
    assert patient('<name><given id="b"/></name>')["name"] == [{"_given": [{"id": "b"}]}]


def test_contained_resources_and_elements_with_ids():
    text = (
        '<contained><Organization><id value="o"/><name value="O"/></Organization></contained>'
        '<contained><Practitioner><id value="p"/></Practitioner></contained><name id="n"><text value="T"/></name>'
    )
    resource = patient(text)
    assert [contained["resourceType"] for contained in resource["contained"]] == ["Organization", "Practitioner"]
    assert resource["name"] == [{"id": "n", "text": "T"}]
    assert content(resource) == text


def test_elements_are_written_in_the_order_of_the_definition():
    resource = {"resourceType": "Patient", "birthDate": "2000", "active": False, "id": "1", "_active": {"id": "x"}}
    assert content(resource) == '<id value="1"/><active id="x" value="false"/><birthDate value="2000"/>'


def test_comments_and_processing_instructions_are_left_out():
    assert patient('<!-- c --><?x y?><active value="true"/><!-- d -->')["active"] is True


@pytest.mark.parametrize(
    "div",
    [
        f"{DIV}x</div>",
        f"{DIV}a &amp; b &#160; &lt;c&gt;<br/><br />\n\t<p  class='x'>é 😀</p><!-- kept --></div>",
        '<div  xmlns = "http://www.w3.org/1999/xhtml"/>',
        '<div xmlns="http://www.w3.org/1999/xhtml" xmlns:v="urn:v" title="/>"><v:x/></div >',
        f"{DIV}<div>inner</div><![CDATA[ <raw> ]]></div>",
    ],
)
def test_a_narrative_keeps_its_letters(div):
    resource = {"resourceType": "Patient", "text": {"status": "generated", "div": div}}
    assert read(written(resource)) == resource


def test_a_narrative_that_leans_on_outer_namespaces_is_written_without_them():
    text = (
        '<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><f:text>'
        '<f:status value="generated"/><h:div><h:b>x</h:b> &amp; y</h:div></f:text></f:Patient>'
    )
    assert read(text)["text"]["div"] == f"{DIV}<b>x</b> &amp; y</div>"


def test_a_narrative_of_json_is_mended_where_xml_needs_it():
    mended = written({"resourceType": "Patient", "text": {"status": "generated", "div": "<div>a&nbsp;b &lt;</div>"}})
    assert f"{DIV}a\xa0b &lt;</div>" in mended


@pytest.mark.parametrize(
    "div", ["<div>", "text", "<p/>", "<div/><div/>", "</div><id value='1'/><div>", "<!DOCTYPE x><div/>", 4]
)
def test_a_narrative_that_would_break_the_document_is_refused(div):
    with pytest.raises(FhirError, match=r"Patient\.text\.div") as caught:
        written({"resourceType": "Patient", "text": {"status": "generated", "div": div}})
    assert caught.value.category == "not-acceptable"


@pytest.mark.parametrize(
    ("resource", "says"),
    [
        ({}, "no resource with a known resourceType"),
        ({"resourceType": "Nonsense"}, "no resource with a known resourceType"),
        ({"resourceType": "Patient", "nam": 1}, "Patient has no element nam"),
        ({"resourceType": "Patient", "name": {"text": "x"}}, "Patient.name must be an array"),
        ({"resourceType": "Patient", "name": ["x"]}, "Patient.name must be an object"),
        ({"resourceType": "Patient", "active": ["x"]}, "Patient.active must be a string, number or boolean"),
        ({"resourceType": "Patient", "contained": ["x"]}, "Patient.contained is no resource"),
        ({"resourceType": "Patient", "name": [{"given": [None]}]}, "Patient.name.given must be a string"),
        ({"resourceType": "Patient", "name": [{"text": "a\x01"}]}, r"Patient.name.text has the character U\+0001"),
        ({"resourceType": "Patient", "name": [{"text": "\ud800"}]}, r"the character U\+D800"),
    ],
)
def test_what_xml_can_not_say_is_refused_with_its_path(resource, says):
    with pytest.raises(FhirError, match=says):
        written(resource)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("{}", "not XML"),
        ('<Patient xmlns="http://hl7.org/fhir">', "not XML"),
        ('<Patient xmlns="http://hl7.org/fhir"><name></Patient>', "not XML: mismatched tag (line 1"),
        ("<Patient/>", 'no namespace; write <Patient xmlns="http://hl7.org/fhir">'),
        ('<Patient xmlns="urn:x"/>', "the namespace urn:x"),
        ('<ClinicalDocument xmlns="urn:hl7-org:v3"/>', "the namespace urn:hl7-org:v3 and is no resource of R4"),
        ('<Patiant xmlns="http://hl7.org/fhir"/>', "no resource type of R4. Did you mean Patient?"),
        ('<Element xmlns="http://hl7.org/fhir"/>', "no resource type"),
        ('<Patient xmlns="http://hl7.org/fhir" id="1"/>', "an attribute id; R4 gives it no attributes"),
        ('<!DOCTYPE x [<!ENTITY e "x">]><Patient xmlns="http://hl7.org/fhir"/>', "has a DOCTYPE"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><Patient xmlns="http://hl7.org/fhir"/>', "has a DOCTYPE"),
        ('<Patient xmlns="http://hl7.org/fhir"><active value="&e;"/></Patient>', "undefined entity (line"),
        ('<Patient xmlns="http://hl7.org/fhir"><id value="a&nbsp;b"/></Patient>', "; write &#160; for &nbsp; (line"),
        ('<?xml version="1.0" encoding="UTF-16"?>'.encode("utf-16"), "sent as UTF-8"),
        ("<Patient xmlns='http://hl7.org/fhir'><id value='\xe9'/></Patient>".encode("latin-1"), "sent as UTF-8"),
    ],
)  # fmt: skip
def test_what_is_no_resource_in_xml_is_refused(text, says):
    assert says in refusal(text)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("\n<nmae/>", "Patient has no element nmae. Did you mean name? (line 2, column 1, in Patient)"),
        ("<name><familiy value='x'/></name>", "HumanName has no element familiy. Did you mean family? (line 1"),
        ("<name/><name><x/></name>", "<name> is empty"),
        ("<name><text value='a'/></name><name><x/></name>", "in Patient.name[1])"),
        ("<deceased value='true'/>", "Did you mean deceasedBoolean?"),
        ("<active value='yes'/>", 'active value="yes"/> is no boolean'),
        ("<multipleBirthInteger value='1.5'/>", "is no integer"),
        ("<multipleBirthInteger value='+1'/>", "is no integer"),
        (f"<multipleBirthInteger value='{'9' * 9000}'/>", "is no integer"),
        ("<active/>", "<active> is empty"),
        ("<contained/>", "<contained> is empty"),
        ("<contained><Patient/><Patient/></contained>", "one resource too many"),
        ("<contained><name/></contained>", "<name> is no resource type"),
        ("<active value='true' valu='x'/>", "an attribute valu; R4 gives it only id and value"),
        ("<name value='x'/>", "an attribute value; R4 gives it only id"),
        ("<extension><url value='x'/></extension>", "url is an attribute"),
        ("<active value='true'/><id value='1'/>", "<id> comes too late: its place is before <active>"),
        ("<active value='true'/><active value='true'/>", "<active> comes twice"),
        ("<deceasedBoolean value='true'/><deceasedDateTime value='2000'/>", "comes twice, or in two types"),
        ("<name>Peter</name>", "The text 'Peter' stands between elements"),
        ("<active value='true'>x</active>", "stands between elements"),
        ("<active value='true'><name/></active>", "string has no element name"),
        ("<active xmlns='urn:x' value='true'/>", "the namespace urn:x"),
        ("<text><status value='generated'/><div>x</div></text>", 'write <div xmlns="http://www.w3.org/1999/xhtml">'),
        ("<_active/>", "Patient has no element _active"),
        ("<extension url='x'>" * 1000, "nested too deep"),
    ],
)  # fmt: skip
def test_what_r4_does_not_have_is_refused_with_path_and_line(content, says):
    assert says in patient_refusal(content)


def test_all_that_r4_does_not_have_is_told_in_one_reading():
    text = (
        '<Patient xmlns="http://hl7.org/fhir"><nickname value="x"><name/></nickname><contained><Foo/></contained>'
        '<contained><Patient><active value="1"/></Patient><Patient/></contained><active value="true" x="y"/>'
        '<active value="false"/><name xmlns="urn:x"/><name><given/><given value="A"/></name>'
        '<deceasedInteger value="1"/><deceasedBoolean value="x"/><id value="1"/></Patient>'
    )
    resource, problems = xml.read(text.encode(), DEFINITIONS)
    assert [each.expression for each in problems] == [
        "Patient.nickname",
        "Patient.contained[0]",
        "Patient.contained[1].active",
        "Patient.contained[1]",
        "Patient.active",
        "Patient.active",
        "Patient.name[0]",
        "Patient.name[1].given[0]",
        "Patient.deceasedInteger",
        "Patient.deceased",
        "Patient.id",
    ]
    assert (resource["id"], resource["active"], resource["name"][1]) == ("1", True, {"given": [None, "A"]})
    with pytest.raises(FhirError) as caught:
        read(text)
    assert caught.value.issues == problems


def test_a_document_with_very_many_problems_is_not_read_to_its_end():
    text = '<Patient xmlns="http://hl7.org/fhir">' + "<x/>" * 100_000
    _, problems = xml.read(text.encode(), DEFINITIONS)
    assert len(problems) == 100


def test_schema_hints_on_the_root_are_passed_over():
    hints = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir x.xsd"'
    assert read(f'<Patient xmlns="http://hl7.org/fhir" {hints}/>') == {"resourceType": "Patient"}


def test_pretty_adds_white_space_only():
    resource = {"resourceType": "Patient", "text": {"status": "generated", "div": f"{DIV} a\n</div>"}, "active": True}
    pretty = xml.serialize(resource, DEFINITIONS, pretty=True)
    assert b'\n  <active value="true"/>\n</Patient>' in pretty
    assert xml.parse(pretty, DEFINITIONS) == resource


texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from("\t\n\r<&>\"'"),
    min_size=1,
)


@given(texts, st.booleans(), st.integers(), st.decimals(-1000, 1000, places=4), st.lists(texts | st.none(), min_size=1))
def test_every_value_comes_back(text, flag, number, decimal, given_names):
    extensions = [None if name is not None else {"id": "x"} for name in given_names]
    name = {"text": text, "given": given_names, "_given": extensions}
    if not any(extensions):
        del name["_given"]
    if not any(value is not None for value in given_names):
        del name["given"]
    resource = {
        "resourceType": "Patient",
        "extension": [{"url": text, "valueDecimal": decimal}, {"url": "x", "valueInteger": number}],
        "active": flag,
        "name": [name],
    }
    back = xml.parse(xml.serialize(resource, DEFINITIONS), DEFINITIONS)
    assert back == resource
    assert Decimal(back["extension"][0]["valueDecimal"]).as_tuple() == decimal.as_tuple()


def test_what_is_written_is_xml_to_others():
    resource = {"resourceType": "Patient", "name": [{"text": 'a<b>&"\n\t'}]}
    assert etree.fromstring(xml.serialize(resource, DEFINITIONS)).xpath("string(//@value)") == 'a<b>&"\n\t'

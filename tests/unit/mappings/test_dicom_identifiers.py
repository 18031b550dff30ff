"""Issuers of DICOM are the authorities of HL7 v2 where both are names."""

from __future__ import annotations

import pytest

from mappings.dicom.identifiers import issuer_of, system_of, systems_of, tokens
from mappings.hl7v2.identifiers import authority_uri
from mappings.hl7v2.tables import Tables


@pytest.mark.parametrize("name", ["HOSPITAL", "St. Mary's", "Köln & Bonn", "A^B"])
def test_a_name_has_the_system_that_hl7_gives_it(name):
    assert system_of(name) == authority_uri(Tables(), name)


@pytest.mark.parametrize("issuer", ["HOSPITAL", "Köln & Bonn", "1.2.840.99", "https://a.example/mrn"])
def test_an_issuer_comes_back(issuer):
    assert [issuer_of(system) for system in systems_of(issuer)] == [issuer] * len(systems_of(issuer))


def test_a_search_finds_what_was_stored_with_the_system_of_before():
    assert tokens("7|8", "A") == r"urn:x-hl7v2:authority:A|7\|8,urn:dicom:issuer:A|7\|8"
    assert tokens("7", "") == "7" and tokens("7", "1.2.840.99") == "urn:oid:1.2.840.99|7"

"""Messages of every event and version with missing and odd fields: an answer or a clear error, never another end."""

import asyncio

import pytest

from fhir_server.core.errors import FhirError
from interfaces.hl7v2.er7 import parse
from interfaces.hl7v2.er7.structures import VERSIONS
from mappings.hl7v2.translating import translate
from tests.unit.mappings.hl7v2.made_up import events, make
from tests.unit.mappings.hl7v2.test_messages import errors

SPOKEN = (*VERSIONS, "2.9", "")


def translated(raw: bytes):
    try:
        return asyncio.run(translate(parse(raw)))
    except FhirError as problem:
        assert str(problem)
        return None


@pytest.mark.parametrize(("kind", "event"), list(events()), ids=lambda value: value)
def test_a_made_up_message_ends_in_valid_resources_or_a_clear_error(kind, event):
    for seed, odd in ((1, 0.0), (2, 0.3)):
        made = translated(make(kind, event, SPOKEN[(seed * 5 + len(event)) % len(SPOKEN)], seed, odd))
        if made is not None and made.bundle:
            assert errors(made.bundle) == []


@pytest.mark.parametrize("version", SPOKEN)
def test_every_version_is_read(version):
    made = translated(make("ADT", "A01", version, 3, 0.0))
    assert made is not None and made.structure == "ADT_A01"


def test_a_message_that_no_table_has_says_so():
    with pytest.raises(FhirError, match="No mapping table has the message ZZZ"):
        asyncio.run(translate(parse(b"MSH|^~\\&|A|B|||2024||ZZZ^Z99|1|P|2.5\r")))


def test_a_message_without_a_patient_says_so():
    made = translated(b"MSH|^~\\&|A|B|||2024||ORU^R01|1|P|2.5\rOBR|1||7|x^y\rOBX|1|ST|a^b||text||||||F\r")
    assert made is not None and "PID is required" in made.errors[0]


def test_an_unknown_character_set_is_refused():
    with pytest.raises(FhirError, match="KLINGON"):
        asyncio.run(translate(parse(b"MSH|^~\\&|A|B|||2024||ADT^A01|1|P|2.5||||||KLINGON\rPID|1||1\r")))

"""Who provides a visit, and practitioners by their NPI."""

from pathlib import Path
from typing import Any

import pytest

from interfaces.hl7v2.er7 import parse
from mappings.hl7v2.tables import SITE, Tables
from mappings.hl7v2.translating import translate

pytestmark = pytest.mark.anyio
JANE = "1003000126^Jones^Jane^^^^^^{0}"


async def resources(message: str, **how: Any) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in (await translate(parse(message.encode()), **how)).bundle["entry"]:
        found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return found


def admission(servicing: str = "", authority: str = "NPI") -> str:
    visit = ["1", "I", "WARD", "", "", "", JANE.format(authority), *[""] * 11, "V1", *[""] * 19, servicing]
    return "\r".join((
        "MSH|^~\\&|ADT|NORTH|HMS|HMS|20261102||ADT^A01|M1|P|2.5.1",
        "PID|1||P1^^^NORTH^MR||Story^Stella", f"PV1|{'|'.join(visit)}", "",
    ))  # fmt: skip


@pytest.mark.parametrize(("servicing", "name"), [("", "NORTH"), ("EAST", "EAST")])
async def test_a_visit_is_provided_by_the_servicing_facility_or_by_the_sender(servicing: str, name: str):
    [encounter] = (await resources(admission(servicing)))["Encounter"]
    assert encounter["serviceProvider"]["identifier"] == {"system": "urn:x-hl7v2:facility", "value": name}


async def test_a_table_of_the_site_says_which_organization_a_facility_is(tmp_path: Path):
    row = "Facility,EAST,1234567893,East Hospital,http://hl7.org/fhir/sid/us-npi"
    (tmp_path / "codes.csv").write_text(f"table,code,target,display,system\n{row}\n")
    [encounter] = (await resources(admission("EAST"), tables=Tables([(SITE, tmp_path)])))["Encounter"]
    named = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}
    assert encounter["serviceProvider"]["identifier"] == named


@pytest.mark.parametrize("authority", ["NPI", "NPI&2.16.840.1.113883.4.6&ISO", "&2.16.840.1.113883.4.6&ISO"])
async def test_a_practitioner_is_known_by_the_npi_as_fhir_names_its_system(authority: str):
    [jane] = (await resources(admission(authority=authority)))["Practitioner"]
    assert jane["identifier"] == [{"value": "1003000126", "system": "http://hl7.org/fhir/sid/us-npi"}]

"""hms terminology, and what a running server shows of a load."""

from pathlib import Path

import pytest
import zstandard

from fhir_server.core.settings import Settings
from tests.conftest import Fhir
from tests.system.process import hms
from tests.system.test_terminology import values

pytestmark = pytest.mark.anyio

CODES = Path(__file__).parents[1] / "data/terminology/icd10cm-codes-2026-04.txt.zst"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
WARDS = "# url: http://hospital.test/wards\n# version: 1\ncode,display,parent\nW,Wards,\nW1,Ward 1,W\n"


@pytest.fixture
def wards(tmp_path: Path) -> Path:
    file = tmp_path / "wards.csv"
    file.write_text(WARDS)
    return file


async def test_all_of_icd_10_cm_is_loaded_into_a_running_server(fhir: Fhir, settings: Settings, tmp_path) -> None:
    file = tmp_path / "icd10cm-codes-2026-04.txt"
    file.write_bytes(zstandard.ZstdDecompressor().decompress(CODES.read_bytes()))
    assert f"{ICD}|2026: 98,466 concepts" in hms(
        "terminology", "load", "icd10cm", file, "-o", "version=2026", "--data", settings.data
    )
    found = await fhir.get(f"CodeSystem/$subsumes?system={ICD}&codeA=E11&codeB=E11.9")
    assert values(found.json())["outcome"] == "subsumes"
    load = (await fhir.get("CodeSystem/$loads?id=1")).json()["parameter"][0]
    told = values({"parameter": load["part"]})
    assert (told["state"], told["source"]) == ("done", file.name)
    assert str(tmp_path) not in str(load)


async def test_what_is_loaded_is_listed_and_removed(fhir: Fhir, settings: Settings, wards: Path) -> None:
    def said(*arguments: object, code: int = 0) -> str:
        return hms("terminology", *arguments, "--data", settings.data, code=code)

    said("load", "csv", wards)
    said("load", "csv", wards, "-o", "version=2")
    assert "http://hospital.test/wards|1  2 concepts" in said("list")
    said("prefer", "http://hospital.test/wards|1")
    assert "wards|1  2 concepts  preferred" in said("list")
    assert "done  csv" in said("jobs")
    assert "removed" in said("remove", "http://hospital.test/wards|2")
    assert (await fhir.get("CodeSystem/$lookup?system=http://hospital.test/wards&code=W1")).status_code == 200
    said("remove", "http://hospital.test/wards")
    assert (await fhir.get("CodeSystem/$lookup?system=http://hospital.test/wards&code=W1")).status_code == 404
    assert "Nothing is loaded" in said("list")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("load", "icd", "FILE"), "there are: snomed, loinc"),
        (("load", "snomed", "FILE"), "neither a folder nor a zip"),
        (("load", "icd10cm", "FOLDER"), "it is a folder"),
        (("load", "csv", "FILE.none"), "no file or folder"),
        (("load", "csv", "FILE", "-o", "version"), "NAME=VALUE"),
        (("load", "csv", "FILE", "-o", "edition=1"), "has no option 'edition'"),
        (("resume", 7), "no job 7"),
        (("remove", "http://none.test"), "not loaded"),
        (("prefer", "http://none.test|1"), "not loaded"),
    ],
)
def test_a_wrong_command_says_what_is_right(tmp_path: Path, wards: Path, arguments, told) -> None:
    data = tmp_path / "data"
    data.mkdir()
    hms("terminology", "load", "csv", wards, "--data", data)
    given = [str(a).replace("FILE", str(wards)).replace("FOLDER", str(tmp_path)) for a in arguments]
    assert told in hms("terminology", *given, "--data", data, code=1)


async def test_a_load_that_does_not_exist_is_not_found(fhir: Fhir) -> None:
    assert (await fhir.get("CodeSystem/$loads?id=9")).status_code == 404
    assert (await fhir.get("CodeSystem/$loads")).json() == {"resourceType": "Parameters"}

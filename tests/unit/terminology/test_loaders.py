"""The loaders, each on a file of its true layout."""
# ruff: noqa: E501 - rows of tables

import json
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from fhir_server.core.errors import FhirError
from terminology import Terminology
from terminology.loaders.jobs import Jobs
from terminology.model import Filter
from tests.unit.terminology import releases
from tests.unit.terminology.conftest import MOMENT, animal_system, caller, codes_of, value_set

DATA = Path(__file__).parents[2] / "data" / "terminology"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC, RXNORM = "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"


def load(service, loader, source, **options):
    jobs = Jobs(service.store, service.clock)
    job = jobs.run(jobs.create(loader, source, options))
    assert (job.state, job.message) == ("done", "")
    return service


def properties(service, system, code):
    provider, concept = service.catalog.find(system, "", code)
    return {(p.code, p.value) for p in provider.details(concept).properties}


def details(service, system, code):
    provider, concept = service.catalog.find(system, "", code)
    return provider.details(concept)


@pytest.fixture(scope="module")
def icd10cm(shipped, tmp_path_factory):
    folder = tmp_path_factory.mktemp("icd10cm")
    listed = folder / "icd10cm-codes-2026-04.txt"
    listed.write_bytes(zstandard.ZstdDecompressor().decompress((DATA / f"{listed.name}.zst").read_bytes()))
    return load(Terminology(folder / "terminology.db", shipped=shipped, clock=lambda: MOMENT), "icd10cm", listed)


def test_the_whole_of_icd_10_cm_is_loaded(icd10cm):
    system = icd10cm.catalog.system(ICD)
    assert (system.count, system.info.version) == (98466, "2026-04")


@pytest.mark.parametrize(
    ("code", "parent"),
    [
        ("E11.9", "E11"), ("E11", "E08-E13"), ("E08-E13", "4"), ("C4A", "C43-C44"), ("C7A", "C00-C96"), ("C50", "C00-C75"),
        ("C00-C14", "C00-C75"), ("S72.001A", "S72.001"), ("B10.0", "B10"), ("B10", "1"), ("QA0.0101", "QA0.010"),
    ],
)  # fmt: skip
def test_codes_of_icd_10_cm_have_their_parents(icd10cm, code, parent):
    assert details(icd10cm, ICD, code).parents == (parent,)


def test_only_codes_without_children_can_be_billed(icd10cm):
    assert ("billable", True) in properties(icd10cm, ICD, "E11.9")
    assert ("billable", False) in properties(icd10cm, ICD, "E11")
    assert icd10cm.catalog.find(ICD, "", "E08-E13")[1].abstract


def test_icd_10_cm_is_searched_and_subsumes(icd10cm):
    call = caller(icd10cm)
    found = call("ValueSet/expand", url="http://hl7.org/fhir/ValueSet/icd-10-cm", filter="E11", count=20)
    assert codes_of(found)[:3] == ["E11", "E11.0", "E11.00"]
    assert len(codes_of(found)) == 20
    assert icd10cm.subsumes(ICD, "4", "E11.9")
    assert icd10cm.display(ICD, "e11.9") is not None


def test_the_order_file_has_titles(service, tmp_path):
    file = tmp_path / "icd10cm-order-2026.txt"
    rows = [("00001", "A00", 0, "Cholera", "Cholera"), ("00002", "A000", 1, "Cholera due to Vibrio cholerae 01, biovar cholerae", "Cholera due to Vibrio cholerae 01, biovar cholerae")]  # fmt: skip
    file.write_text("".join(f"{n} {code:<7} {flag} {short:<60} {long}\n" for n, code, flag, short, long in rows))
    load(service, "icd10cm", file)
    assert service.display(ICD, "A00.0") == "Cholera due to Vibrio cholerae 01, biovar cholerae"
    assert details(service, ICD, "A00.0").parents == ("A00",)
    assert service.catalog.system(ICD).info.version == "2026"


def test_the_code_file_has_titles(service, tmp_path):
    file = tmp_path / "icd10cm-codes.txt"
    file.write_text("A000    Cholera due to Vibrio cholerae 01\nA001    Cholera due to El Tor\n")
    load(service, "icd10cm", file, version="2027")
    assert service.display(ICD, "A00.1") == "Cholera due to El Tor"


def test_the_tabular_list_has_chapters_and_terms(service, tmp_path):
    file = tmp_path / "icd10cm-tabular-2026.xml"
    file.write_text(
        """<?xml version="1.0"?><ICD10CM.tabular><version>2026</version><chapter><name>1</name><desc>Infections</desc>
        <sectionIndex><sectionRef first="A00" last="A09" id="A00-A09">Intestinal</sectionRef></sectionIndex>
        <section id="A00-A09"><desc>Intestinal infections</desc><diag><name>A00</name><desc>Cholera</desc>
        <diag><name>A00.0</name><desc>Cholera, biovar cholerae</desc><inclusionTerm><note>Classical cholera</note>
        </inclusionTerm></diag></diag></section></chapter></ICD10CM.tabular>"""
    )
    load(service, "icd10cm", file)
    assert details(service, ICD, "A00.0").parents == ("A00",)
    assert details(service, ICD, "A00").parents == ("A00-A09",)
    assert [d.value for d in details(service, ICD, "A00.0").designations] == ["Classical cholera"]


def test_vaccines_and_their_makers(service):
    load(service, "cvx", DATA / "cvx.txt")
    load(service, "mvx", DATA / "mvx.txt")
    assert service.display("http://hl7.org/fhir/sid/cvx", "140", "2024-06-12").startswith("Influenza, split virus")
    assert service.catalog.find("http://hl7.org/fhir/sid/mvx", "", "AB")[1].inactive


def test_drugs_by_product_and_package(service):
    ndc = "http://hl7.org/fhir/sid/ndc"
    load(service, "ndc", DATA / "ndc")
    assert service.display(ndc, "0002-0152") == "Zepbound (tirzepatide) 2.5 mg/.5mL injection, solution"
    assert details(service, ndc, "00002015201").parents == ("0002-0152",)
    assert ("same-as", "0002-0152-01") in properties(service, ndc, "00002015201")


@pytest.fixture(scope="module")
def loinc(shipped, tmp_path_factory):
    service = Terminology(shipped=shipped, clock=lambda: MOMENT)
    return load(service, "loinc", releases.loinc(tmp_path_factory.mktemp("loinc")))


def test_loinc_has_terms_parts_and_answers(loinc):
    assert loinc.catalog.system(LOINC).info.version == "2.80"
    assert loinc.display(LOINC, "2093-3") == "Cholesterol [Mass/volume] in Serum or Plasma"
    assert loinc.display(LOINC, "LP15493-4") == "Cholesterol"
    assert loinc.display(LOINC, "LA18978-1") == "Former smoker"
    told = properties(loinc, LOINC, "2093-3")
    assert told >= {("COMPONENT", "Cholesterol"), ("COMPONENT", "LP15493-4"), ("SCALE_TYP", "Qn"), ("panel", "24331-1")}
    assert loinc.catalog.find(LOINC, "", "11111-1")[1].inactive


def test_loinc_has_a_hierarchy_languages_and_value_sets(loinc):
    assert loinc.subsumes(LOINC, "LP29693-6", "2093-3")
    assert codes_of(caller(loinc)("ValueSet/expand", url="http://loinc.org/vs/LL2201-3")) == ["LA18976-1", "LA18978-1"]
    assert codes_of(caller(loinc)("ValueSet/expand", url="http://loinc.org/vs/LP15493-4")) == ["2093-3"]
    by_axis = value_set({"system": LOINC, "filter": [{"property": "COMPONENT", "op": "=", "value": "Cholesterol"}]})
    assert codes_of(caller(loinc)("ValueSet/expand", valueSet=by_axis)) == ["2093-3"]
    assert codes_of(caller(loinc)("ValueSet/expand", url="http://loinc.org/vs", filter="cholesterin")) == ["2093-3"]


def test_rxnorm_has_names_relations_and_types(service, tmp_path):
    load(service, "rxnorm", releases.rxnorm(tmp_path), version="01052026")
    assert service.display(RXNORM, "161") == "acetaminophen"
    assert properties(service, RXNORM, "161") >= {("TTY", "IN"), ("STY", "T109"), ("SAB", "MTHSPL")}
    assert properties(service, RXNORM, "313782") >= {("has_ingredient", "161"), ("NDC", "00045049660")}
    system = service.catalog.system(RXNORM)
    assert [c.code for c in system.select([Filter("TTY", "=", "SCD")])] == ["313782"]
    assert [c.code for c in system.select(text="apap")] == ["161"]
    assert service.catalog.find(RXNORM, "", "1")[1].inactive
    assert service.subsumes(RXNORM, "161", "313782")


CSV = """# url: http://example.org/wards
# version: 2026
# name: Wards
code,display,definition,parent,status,display:de,floor,abstract
W,Wards,,,,Stationen,,true
W1,Ward 1,"The first, best ward",W,active,Station 1,3,
W9,Ward 9,,W,retired,,,
"""


def test_a_csv_file_with_a_small_header(service, tmp_path):
    file = tmp_path / "wards.csv"
    file.write_text(CSV)
    load(service, "csv", file)
    system = service.catalog.system("http://example.org/wards")
    assert (system.info.version, system.info.name, system.count) == ("2026", "Wards", 3)
    assert properties(service, "http://example.org/wards", "W1") == {("floor", "3"), ("status", "active")}
    assert details(service, "http://example.org/wards", "W1").designations[0].value == "Station 1"
    assert system.find("W").abstract and system.find("W9").inactive


def test_fhir_from_a_package_a_folder_and_a_bundle(service, tmp_path):
    folder = tmp_path / "package"
    (folder / "example").mkdir(parents=True)
    (folder / "package.json").write_text('{"name": "x"}')
    (folder / "CodeSystem-a.json").write_text(json.dumps(animal_system()))
    (folder / "example" / "CodeSystem-b.json").write_text(json.dumps(animal_system(url="http://example.org/not")))
    bundle = {"resourceType": "Bundle", "entry": [{"resource": value_set({"system": "http://example.org/animals"})}]}
    (folder / "Bundle.json").write_text(json.dumps(bundle))
    (folder / "v.xml").write_text(
        '<ValueSet xmlns="http://hl7.org/fhir"><url value="http://x"/><status value="active"/></ValueSet>'
    )
    package = tmp_path / "terminology.tgz"
    with tarfile.open(package, "w:gz") as tar:
        tar.add(folder, "package")
    load(service, "fhir", package)
    assert len(service.codes("http://example.org/ValueSet/some")) == 10
    assert service.value_set("http://x") is not None
    assert service.catalog.system("http://example.org/not") is None


def test_registries_are_refreshed_from_their_files(service, tmp_path):
    tags = tmp_path / "language-subtag-registry"
    tags.write_text(
        "File-Date: 2026-01-01\n%%\nType: language\nSubtag: zz\nDescription: Made up\n  language\nAdded: 2026\n"
    )
    load(service, "bcp47", tags)
    assert service.display("urn:ietf:bcp:47", "zz") == "Made up language"
    types = tmp_path / "application.csv"
    types.write_text(
        "Name,Template,Reference\nnew-type,application/new-type,[RFC1]\nold (OBSOLETE),application/old,[RFC2]\n"
    )
    load(service, "mime", types, version="2026-01-01")
    assert ("registered", True) in properties(service, "urn:ietf:bcp:13", "application/new-type")
    currencies = tmp_path / "list-one.xml"
    currencies.write_text(
        '<ISO_4217 Pblshd="2026-01-01"><CcyTbl><CcyNtry><CtryNm>A</CtryNm><CcyNm>Coin</CcyNm><Ccy>ACN</Ccy>'
        "<CcyNbr>001</CcyNbr><CcyMnrUnts>2</CcyMnrUnts></CcyNtry></CcyTbl></ISO_4217>"
    )
    load(service, "currencies", currencies)
    assert service.display("urn:iso:std:iso:4217", "ACN") == "Coin"
    countries = tmp_path / "countries.csv"
    countries.write_text("name,alpha-2,alpha-3,country-code\nUtopia,UT,UTO,7\n")
    load(service, "countries", countries)
    assert service.display("urn:iso:std:iso:3166", "007") == "Utopia"


def bomb(folder):
    path = folder / "Loinc.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Loinc.csv", b"0" * (150 << 20))
    return path


def written(text):
    def make(folder):
        path = folder / "file.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


@pytest.mark.parametrize(
    ("loader", "make", "message"),
    [
        ("nothing", written("x"), "There is no loader 'nothing'; there are: snomed"),
        ("loinc", bomb, "would unpack to"),
        ("loinc", written("no zip"), "neither a folder nor a zip"),
        ("loinc", lambda folder: folder, "has no file Loinc.csv"),
        ("snomed", lambda folder: folder, "sct2_Concept_Snapshot"),
        ("rxnorm", lambda folder: folder, "RXNCONSO.RRF"),
        ("icd10cm", written("hello world, this is no code"), "none of the files of ICD-10-CM"),
        ("cvx", written("a|b\n"), "line 1, has 2 fields"),
        ("mvx", written(""), "is empty"),
        ("ndc", written("x"), "neither a folder nor a zip"),
        ("csv", written("name,display\n"), "no column 'code'"),
        ("csv", written("# url: http://x\n# colour: red\ncode\n"), "which is none of"),
        ("csv", written("code\na\n"), "names the code system"),
        ("csv", written("# url: http://x\n"), "no header line"),
        ("fhir", written("x"), "no JSON, XML, folder or package"),
        ("fhir", lambda folder: folder, "no CodeSystem"),
        ("bcp47", written("x"), "no File-Date"),
        ("mime", written("x"), "not a table"),
        ("currencies", written("<x/>"), "its root is <x>"),
        ("currencies", written("x"), "is not XML"),
        ("countries", written("a,b\n"), "no column for alpha-2"),
        ("cvx", lambda folder: folder / "missing.txt", "no file or folder"),
    ],
)
def test_what_is_not_the_release_is_refused_before_it_is_loaded(service, tmp_path, loader, make, message):
    with pytest.raises(FhirError, match=message):
        Jobs(service.store, service.clock).create(loader, make(tmp_path))

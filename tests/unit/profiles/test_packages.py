"""Packages: installed from files, found by URL and version, removed; what is none is refused."""

import gzip
import io
import json
import tarfile

import pytest

from fhir_server.core.errors import FhirError
from profiles.archive import MAX_FILE, MAX_TOTAL
from profiles.packages import PackageStore, version_key

from .conftest import package

PATIENT = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"


def tgz(**files):
    """A package of files by name; dots in names stand as __."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            member = tarfile.TarInfo("package/" + name.replace("__", "."))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


MANIFEST = {"name": "example.org", "version": "1.0.0", "fhirVersions": ["4.0.1"]}
VALUE_SET = {"resourceType": "ValueSet", "url": "http://example.org/vs", "version": "1", "status": "active"}


@pytest.fixture(scope="module")
def store():
    store = PackageStore()
    store.install(package("hl7.fhir.us.core-6.1.0"))
    store.install(package("hl7.fhir.us.core-7.0.0"))
    return store


def test_lists_what_is_installed(store):
    assert [(p.name, p.version) for p in store.installed()] == [
        ("hl7.fhir.us.core", "6.1.0"),
        ("hl7.fhir.us.core", "7.0.0"),
    ]
    assert store.installed()[0].resources > 200


def test_a_url_names_the_newest_and_with_a_version_that_one(store):
    assert store.find("StructureDefinition", PATIENT)["version"] == "7.0.0"
    assert store.find("StructureDefinition", PATIENT + "|6.1.0")["version"] == "6.1.0"
    assert store.find("StructureDefinition", PATIENT + "|6.1")["version"] == "6.1.0"
    assert store.find("StructureDefinition", PATIENT + "|5.0.0") is None
    assert store.find("ValueSet", PATIENT) is None


def test_half_of_a_surrogate_pair_is_in_no_url(store):
    assert store.find("StructureDefinition", PATIENT + "\ud800") is None
    assert store.kinds(PATIENT + "\ud800") == []


def test_a_url_is_that_of_a_type(store):
    assert store.kinds(PATIENT) == ["StructureDefinition"]
    assert store.kinds(PATIENT + "s") == []


def test_names_the_dependencies_that_are_missing(store):
    assert "hl7.fhir.uv.sdc#3.0.0" in store.installed()[0].missing
    assert not any(name.startswith("hl7.fhir.r4.core") for name in store.installed()[0].missing)


def test_installing_again_replaces():
    store = PackageStore()
    store.install(tgz(package__json=MANIFEST, a__json=VALUE_SET))
    before = store.generation()
    store.install(tgz(package__json=MANIFEST, a__json={**VALUE_SET, "name": "New"}))
    assert (store.find("ValueSet", VALUE_SET["url"]) or {})["name"] == "New"
    assert len(store.installed()) == 1 and store.generation() != before


def test_what_macos_puts_beside_the_files_is_left_out():
    found = tgz(**{"._package__json": b"\xb0", "package__json": MANIFEST, "._a__json": b"\xb0", "a__json": VALUE_SET})
    assert PackageStore().install(found).resources == 1


def test_removes_all_versions_or_one(tmp_path):
    path = tmp_path / "packages.sqlite"
    store = PackageStore(path)
    store.install(tgz(package__json=MANIFEST, a__json=VALUE_SET))
    store.install(tgz(package__json={**MANIFEST, "version": "2.0.0"}, a__json={**VALUE_SET, "version": "2"}))
    assert store.remove("example.org", "1.0.0") == 1
    assert store.find("ValueSet", "http://example.org/vs|1") is None
    assert (PackageStore(path).find("ValueSet", "http://example.org/vs") or {})["version"] == "2"
    assert store.remove("example.org") == 1 and store.remove("example.org") == 0


def test_terminology_goes_to_its_receiver():
    received = []
    PackageStore().install(tgz(package__json=MANIFEST, a__json=VALUE_SET), received.append)
    assert [resource["url"] for resource in received] == [VALUE_SET["url"]]


@pytest.mark.parametrize(
    ("data", "category", "text"),
    [
        (b"", "malformed", "no FHIR package"),
        (b"no gzip at all", "malformed", "no FHIR package"),
        (gzip.compress(b"no tar at all" * 100), "malformed", "no FHIR package"),
        (tgz(package__json=MANIFEST, a__json=VALUE_SET)[:80], "malformed", "no FHIR package"),
        (tgz(a__json=VALUE_SET), "malformed", "package/package.json"),
        (tgz(package__json=b"{"), "malformed", "not JSON"),
        (tgz(package__json={"name": "a"}), "malformed", "name and a version"),
        (tgz(package__json=MANIFEST, a__json=b"{"), "malformed", "a.json"),
        (tgz(package__json=MANIFEST), "unprocessable", "no conformance resources"),
        (tgz(package__json={**MANIFEST, "fhirVersions": ["5.0.0"]}, a__json=VALUE_SET), "unprocessable", "FHIR 5.0.0"),
    ],
    ids=lambda value: "package" if isinstance(value, bytes) else None,  # those of gzip have the time in them
)
def test_what_is_no_package_is_refused_and_nothing_kept(data, category, text):
    store = PackageStore()
    with pytest.raises(FhirError) as refused:
        store.install(data)
    assert refused.value.category == category and text in str(refused.value)
    assert store.installed() == []


def zeros(size, name):
    """A small gzip that unpacks to a file of so many zeros."""
    header = tarfile.TarInfo(name)
    header.size = size
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as stream:
        stream.write(header.tobuf())
        for _ in range(size // (1 << 20)):
            stream.write(bytes(1 << 20))
        stream.write(bytes(1024))
    return packed.getvalue()


@pytest.mark.parametrize("name", ["package/big.json", "package/big.bin"])
def test_a_zip_bomb_is_refused(monkeypatch, name):
    monkeypatch.setattr("profiles.archive.MAX_TOTAL", 20 << 20)
    monkeypatch.setattr("profiles.archive.MAX_FILE", 10 << 20)
    with pytest.raises(FhirError) as refused:
        PackageStore().install(zeros(30 << 20, name))
    assert refused.value.category == "too-large"
    assert MAX_FILE < MAX_TOTAL


def test_versions_sort_as_numbers_and_releases_after_previews():
    versions = ["10.0.0", "2.0.0", "2.0.0-ballot", "1.9"]
    assert sorted(versions, key=version_key) == ["1.9", "2.0.0-ballot", "2.0.0", "10.0.0"]

"""SNOMED CT, from a release in RF2 (https://confluence.ihtsdotools.org/display/DOCRELFMT): the snapshot of an edition.

The display is the preferred term of the language reference set; all active descriptions are designations. Attributes
are kept with their groups for ECL, and as properties named by the attribute.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from fhir_server.core.errors import error
from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.loaders.source import Files, required_columns
from terminology.model import INACTIVE, Designation, Property, Record, SystemInfo
from terminology.snomed.ecl_sql import REFERENCE_SET

URL = "http://snomed.info/sct"
INTERNATIONAL = "900000000000207008"
IS_A = "116680003"
FULLY_SPECIFIED, SYNONYM = "900000000000003001", "900000000000013009"
PREFERRED = "900000000000548007"
DEFINED = "900000000000073002"
_USES = {FULLY_SPECIFIED: "Fully specified name", SYNONYM: "Synonym"}
# The modules of editions by the namespace in the names of their files; others are named by an option.
_EDITIONS = {
    "INT": INTERNATIONAL, "US1000124": "731000124108", "AU1000036": "32506021000036107",
    "CH1000195": "2011000195101", "SE1000052": "45991000052106",
}  # fmt: skip
_LANGUAGES = ("900000000000509007", "900000000000508004")  # US and GB English
_SEMANTIC_TAG = re.compile(r" \([^()]*\)$")

_CONCEPT = ("id", "effectiveTime", "active", "moduleId", "definitionStatusId")
_DESCRIPTION = ("id", "active", "conceptId", "languageCode", "typeId", "term")
_RELATIONSHIP = ("active", "sourceId", "destinationId", "relationshipGroup", "typeId")

Row = dict[str, str]


def _rows(files: Files, pattern: str, required: bool = False) -> Iterator[Row]:
    for name in files.find(pattern, required):
        for row in files.separated(name, "\t"):
            if row.get("active") == "1":
                yield row


def concepts(files: Files) -> Iterator[Record]:
    """A concept for each identifier, inactive ones too; texts come in a later stage."""
    for name in files.find(_CONCEPTS):
        for row in files.separated(name, "\t"):
            inactive = row["active"] != "1"
            properties = (
                Property("inactive", "boolean", inactive),
                Property("sufficientlyDefined", "boolean", row["definitionStatusId"] == DEFINED),
                Property("effectiveTime", "string", row["effectiveTime"]),
                Property("moduleId", "code", row["moduleId"]),
            )
            yield Record(row["id"], flags=INACTIVE if inactive else 0, properties=properties)


_CONCEPTS = "sct2_Concept_Snapshot[^/]*\\.txt"
_DESCRIPTIONS = "sct2_Description_Snapshot[^/]*\\.txt"
_DEFINITIONS = "sct2_TextDefinition_Snapshot[^/]*\\.txt"
_RELATIONSHIPS = "sct2_Relationship_Snapshot[^/]*\\.txt"
_CONCRETE = "sct2_RelationshipConcreteValues_Snapshot[^/]*\\.txt"
_LANGUAGE = "der2_cRefset_Language[^/]*Snapshot[^/]*\\.txt"
_MEMBERS = "der2_[a-z]*Refset_(?!Language|Attribute|Module|RefsetDescriptor|Description)[^/]*Snapshot[^/]*\\.txt"


def names(files: Files) -> Iterator[tuple[str, str, str]]:
    """The fully specified name without its tag, for concepts that no preferred term is known of."""
    for row in _rows(files, _DESCRIPTIONS, True):
        if row["typeId"] == FULLY_SPECIFIED:
            yield row["conceptId"], _SEMANTIC_TAG.sub("", row["term"]), ""


def preferred(files: Files, language: str) -> Iterator[tuple[str, str, str]]:
    """The preferred term in the language reference set."""
    chosen: set[int] = set()
    sets = [language] if language else list(_LANGUAGES)
    for wanted in sets:
        for row in _rows(files, _LANGUAGE):
            if row["refsetId"] == wanted and row["acceptabilityId"] == PREFERRED:
                chosen.add(int(row["referencedComponentId"]))
        if chosen:
            break
    for row in _rows(files, _DESCRIPTIONS, True):
        if row["typeId"] == SYNONYM and int(row["id"]) in chosen:
            yield row["conceptId"], row["term"], ""


def designations(files: Files) -> Iterator[tuple[str, Designation]]:
    """All active descriptions."""
    for row in _rows(files, _DESCRIPTIONS, True):
        use = {"system": URL, "code": row["typeId"], "display": _USES.get(row["typeId"], "Description")}
        yield row["conceptId"], Designation(row["term"], row["languageCode"], use)


def text_definitions(files: Files) -> Iterator[tuple[str, str, str]]:
    """The definitions in words."""
    return ((row["conceptId"], "", row["term"]) for row in _rows(files, _DEFINITIONS))


def parents(files: Files) -> Iterator[tuple[str, str]]:
    """The is-a relationships."""
    for row in _rows(files, _RELATIONSHIPS, True):
        if row["typeId"] == IS_A:
            yield row["sourceId"], row["destinationId"]


def attributes(files: Files) -> Iterator[tuple[str, int, str, str]]:
    """The other relationships."""
    for row in _rows(files, _RELATIONSHIPS, True):
        if row["typeId"] != IS_A:
            yield row["sourceId"], int(row["relationshipGroup"]), row["typeId"], row["destinationId"]


def concrete_values(files: Files) -> Iterator[tuple[str, Property]]:
    """Attributes with a number or a text."""
    for row in _rows(files, _CONCRETE):
        value = row["value"]
        if value.startswith("#"):
            yield row["sourceId"], Property(row["typeId"], "decimal", value[1:])
        else:
            yield row["sourceId"], Property(row["typeId"], "string", value.strip('"'))


def members(files: Files) -> Iterator[tuple[str, Property]]:
    """The reference sets that a concept is in."""
    for row in _rows(files, _MEMBERS):
        if row["referencedComponentId"][-2:-1] == "0" or row["referencedComponentId"][-3:-1] == "10":
            yield row["referencedComponentId"], Property(REFERENCE_SET, "code", row["refsetId"])


def _version(files: Files, options: Options) -> str:
    name = files.find(_CONCEPTS)[0]
    match = re.search(r"Snapshot_([A-Z]{2,3}[0-9]*)_([0-9]{8})", name)
    if "version" in options:
        return options["version"]
    if match is None:
        raise error(
            "value", f"The version can't be read off {name}; give the option version: {URL}/MODULE/version/DATE."
        )
    edition = options.get("edition") or _EDITIONS.get(match[1])
    if edition is None:
        message = f"The edition '{match[1]}' of {name} is not known; give the option edition, its module's identifier."
        raise error("value", message)
    return f"{URL}/{edition}/version/{match[2]}"


def plan(source: Path, options: Options) -> Plan:
    """source: the zip, or the folder that it unpacks to."""
    files = Files(source)
    for pattern, columns in ((_CONCEPTS, _CONCEPT), (_DESCRIPTIONS, _DESCRIPTION), (_RELATIONSHIPS, _RELATIONSHIP)):
        name = files.find(pattern)[0]
        required_columns(next(files.separated(name, "\t"), None), columns, name)
    info = SystemInfo(URL, _version(files, options), "SNOMED CT", resource={"hierarchyMeaning": "is-a"})
    language = options.get("language", "")
    stages: list[tuple[str, str, Callable[[], Iterator]]] = [
        ("concepts", "records", lambda: concepts(files)),
        ("names", "texts", lambda: names(files)),
        ("preferred terms", "texts", lambda: preferred(files, language)),
        ("definitions", "texts", lambda: text_definitions(files)),
        ("descriptions", "designations", lambda: designations(files)),
        ("is-a", "parents", lambda: parents(files)),
        ("attributes", "attributes", lambda: attributes(files)),
        ("concrete values", "properties", lambda: concrete_values(files)),
        ("reference sets", "properties", lambda: members(files)),
    ]
    return Plan(info, tuple(Stage(*stage) for stage in stages))


LOADER = Loader(
    "snomed", "SNOMED CT", "the zip of an edition in RF2, or its folder; the snapshot is read",
    {
        "edition": "the identifier of the edition's module, where the files' names don't tell",
        "language": "the language reference set whose preferred terms are shown",
        "version": "the whole version URI",
    },
    plan,
)  # fmt: skip

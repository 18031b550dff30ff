"""LOINC, from the zip of its release (https://loinc.org/kb/users-guide): terms, parts, answer lists, hierarchy, panels.

Properties as https://hl7.org/fhir/R4/loinc.html names them. COMPONENT and the other axes have the name of the part and
its number; LIST is on an answer and says its lists; answers-for says of which terms; the members of a panel are under
panel-member, and on each of them panel says in which it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.loaders.source import Files, required_columns
from terminology.model import INACTIVE, Designation, Property, Record, SystemInfo

URL = "http://loinc.org"
_TERMS = "Loinc\\.csv"
_COLUMNS = ("LOINC_NUM", "COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS", "STATUS",
            "LONG_COMMON_NAME")  # fmt: skip
_PROPERTIES = ("COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS", "STATUS",
               "CLASSTYPE", "CONSUMER_NAME", "ORDER_OBS", "VersionLastChanged", "EXAMPLE_UCUM_UNITS",
               "PanelType")  # fmt: skip
_AXES = {"COMPONENT": "COMPONENT", "PROPERTY": "PROPERTY", "TIME": "TIME_ASPCT", "SYSTEM": "SYSTEM",
         "SCALE": "SCALE_TYP", "METHOD": "METHOD_TYP"}  # fmt: skip
_NAMES = ("SHORTNAME", "DisplayName", "CONSUMER_NAME")
_USES = "http://loinc.org"
_INACTIVE = ("DEPRECATED",)


def terms(files: Files) -> Iterator[Record]:
    """A concept for each term, by its long common name."""
    for row in files.rows(files.find(_TERMS)[0]):
        name = row["LONG_COMMON_NAME"]
        yield Record(
            row["LOINC_NUM"],
            name,
            row.get("DefinitionDescription") or "",
            INACTIVE if row["STATUS"] in _INACTIVE else 0,
            tuple(
                Designation(row[column], "en", {"system": _USES, "code": column})
                for column in _NAMES
                if row.get(column) and row[column] != name
            ),
            tuple(Property(column, "string", row[column]) for column in _PROPERTIES if row.get(column)),
        )


def parts(files: Files) -> Iterator[Record]:
    """A concept for each part (LP…)."""
    for name in files.find("Part\\.csv", required=False):
        for row in files.rows(name):
            properties = [Property("PartTypeName", "string", row["PartTypeName"])]
            properties += [Property("STATUS", "string", row["Status"])] if row.get("Status") else []
            flags = INACTIVE if row.get("Status") in _INACTIVE else 0
            yield Record(
                row["PartNumber"], row.get("PartDisplayName") or row["PartName"], "", flags, (), tuple(properties)
            )


def hierarchy_parts(files: Files) -> Iterator[Record]:
    """The groups that the hierarchy has besides parts and terms."""
    known = {row["PartNumber"] for name in files.find("Part\\.csv", required=False) for row in files.rows(name)}
    for row in _hierarchy(files):
        code = row["CODE"]
        if code.startswith(("LP", "LG")) and code not in known:
            known.add(code)
            yield Record(code, row["CODE_TEXT"])


def answers(files: Files) -> Iterator[Record]:
    """A concept for each answer list (LL…) and each answer (LA…), in the order of the lists."""
    seen: set[str] = set()
    for name in files.find("AnswerList\\.csv", required=False):
        for row in files.rows(name):
            for code, display in ((row["AnswerListId"], row["AnswerListName"]),
                                  (row.get("AnswerStringId") or "", row.get("DisplayText") or "")):  # fmt: skip
                if code and code not in seen:
                    seen.add(code)
                    yield Record(code, display)


def lists(files: Files) -> Iterator[tuple[str, Property]]:
    """In which lists an answer is."""
    for name in files.find("AnswerList\\.csv", required=False):
        for row in files.rows(name):
            if row.get("AnswerStringId"):
                yield row["AnswerStringId"], Property("LIST", "code", row["AnswerListId"])


def answers_for(files: Files) -> Iterator[tuple[str, Property]]:
    """Which list a term has its answers in, and which terms a list is for."""
    for name in files.find("LoincAnswerListLink\\.csv", required=False):
        for row in files.rows(name):
            yield row["LoincNumber"], Property("answer-list", "code", row["AnswerListId"])
            yield row["AnswerListId"], Property("answers-for", "code", row["LoincNumber"])


def part_links(files: Files) -> Iterator[tuple[str, Property]]:
    """The parts of a term, by their numbers."""
    for name in files.find("LoincPartLink_Primary\\.csv", required=False):
        for row in files.rows(name):
            if row["PartTypeName"] in _AXES:
                yield row["LoincNumber"], Property(_AXES[row["PartTypeName"]], "code", row["PartNumber"])


def _hierarchy(files: Files) -> Iterator[dict[str, str]]:
    found = files.find("(?:ComponentHierarchyBySystem|MultiAxialHierarchy)\\.csv", required=False)
    for name in found[:1]:
        yield from files.rows(name)


def parents(files: Files) -> Iterator[tuple[str, str]]:
    """The hierarchy by component and system."""
    return ((row["CODE"], row["IMMEDIATE_PARENT"]) for row in _hierarchy(files) if row["IMMEDIATE_PARENT"])


def panels(files: Files) -> Iterator[tuple[str, Property]]:
    """What is in a panel, both ways."""
    for name in files.find("PanelsAndForms\\.csv", required=False):
        for row in files.rows(name):
            panel, member = row["ParentLoinc"], row["Loinc"]
            if panel != member:
                yield panel, Property("panel-member", "code", member)
                yield member, Property("panel", "code", panel)


def translations(files: Files) -> Iterator[tuple[str, Designation]]:
    """Names in other languages, of the linguistic variants; the file's name begins with its language."""
    for name in files.find("[a-z]{2}[A-Z]{2}[0-9]+LinguisticVariant\\.csv", required=False):
        match = re.search(r"([a-z]{2})([A-Z]{2})[0-9]+LinguisticVariant", name)
        language = f"{match[1]}-{match[2]}" if match else ""
        for row in files.rows(name):
            text = row.get("LinguisticVariantDisplayName") or row.get("LONG_COMMON_NAME") or row.get("SHORTNAME")
            if text:
                yield row["LOINC_NUM"], Designation(text, language)


def plan(source: Path, options: Options) -> Plan:
    """source: the zip, or the folder that it unpacks to."""
    files = Files(source)
    required_columns(next(files.rows(files.find(_TERMS)[0]), None), _COLUMNS, "Loinc.csv")
    version = re.search(r"[0-9]+\.[0-9]+", source.stem)
    info = SystemInfo(
        URL, options.get("version") or (version.group() if version else ""), "LOINC", case_sensitive=False
    )
    stages = (
        Stage("terms", "records", lambda: terms(files)),
        Stage("parts", "records", lambda: parts(files)),
        Stage("groups", "records", lambda: hierarchy_parts(files)),
        Stage("answers", "records", lambda: answers(files)),
        Stage("part links", "properties", lambda: part_links(files)),
        Stage("answer lists", "properties", lambda: lists(files)),
        Stage("answer list links", "properties", lambda: answers_for(files)),
        Stage("panels", "properties", lambda: panels(files)),
        Stage("translations", "designations", lambda: translations(files)),
        Stage("parents", "parents", lambda: parents(files)),
    )
    return Plan(info, stages)


LOADER = Loader(
    "loinc", "LOINC", "the zip of the release (Loinc_2.80.zip) or its folder", {"version": "the version, such as 2.80"},
    plan,
)  # fmt: skip

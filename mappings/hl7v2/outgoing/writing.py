"""FHIR values as v2 data types: components by types.csv, codes and names of systems as inbound tables have them."""

from __future__ import annotations

import csv
import functools
import io
import re
from importlib import resources
from typing import Any
from urllib.parse import unquote

from fhir_server.definitions import load
from fhir_server.fhirpath import Path, compile_path
from mappings.hl7v2.outgoing.gathering import Gathered
from mappings.hl7v2.primitives import AUTHORITY
from mappings.hl7v2.tables import Tables

_V2_TABLE = re.compile(r"http://terminology\.hl7\.org/CodeSystem/v2-(\d{4})")
# The name that is written of those that stand for one system.
PREFERRED = {
    "http://loinc.org": "LN", "http://snomed.info/sct": "SCT", "http://unitsofmeasure.org": "UCUM",
    "http://hl7.org/fhir/sid/icd-10": "I10", "http://hl7.org/fhir/sid/icd-10-cm": "I10C",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://hl7.org/fhir/sid/icd-9-cm": "I9CDX", "http://www.nlm.nih.gov/research/umls/rxnorm": "RXNORM",
    "http://hl7.org/fhir/sid/ndc": "NDC", "http://hl7.org/fhir/sid/mvx": "MVX", "http://www.ama-assn.org/go/cpt": "C4",
    "urn:oid:2.16.840.1.113883.6.238": "CDCREC",
}  # fmt: skip

# Data types that OBX-2 names otherwise in versions before the one that brought them.
RENAMED = {"DTM": ((2, 6), "TS"), "CWE": ((2, 5), "CE")}


class Writer:
    """Writes values for one message."""

    def __init__(self, tables: Tables, found: Gathered, event: str = "", version: str = "") -> None:
        self.event = event
        self._version = tuple(map(int, re.findall(r"\d+", version))) or (9,)
        self._tables = tables
        self._found = found

    def value(self, value: Any, type_name: str, data_type: str, table: str = "") -> Any:
        """A value as text or as a list of components."""
        if isinstance(value, dict) and type_name == "Reference" and data_type == "CWE":  # a Medication, by its code
            value = (self._found.resolve(value) or {}).get("code") or {"text": value.get("display", "")}
            type_name = "CodeableConcept"
        if isinstance(value, dict) and "reference" in value and data_type in ("XCN", "NDL", "PL", "XON"):
            resolved = self._found.resolve(value)
            if resolved is not None and resolved["resourceType"] == "PractitionerRole":
                resolved = self._found.resolve(resolved.get("practitioner", {}))
            if resolved is None:
                return ["", value["display"]] if value.get("display") and data_type == "XCN" else ""
            if data_type == "PL":
                return self._place(resolved)
            value, type_name = resolved, resolved["resourceType"]
        if data_type == "LOCATION":
            return self._place(value)
        if isinstance(value, dict):
            return self._components(value, type_name, data_type, table)
        return self._simple(value, data_type, table)

    def _simple(self, value: Any, data_type: str, table: str) -> str:
        if isinstance(value, bool):
            return "Y" if value else "N"
        text = str(value)
        if table:
            text = reverse_codes(self._tables, table).get(text, text)
        if data_type == "DTM":
            return to_dtm(text)
        if data_type == "SYSTEM":
            return self.system_name(text)
        if data_type == "TYPE":
            since, before = RENAMED.get(text, ((), text))
            return before if self._version < since else text
        return text

    def _components(self, value: Any, type_name: str, data_type: str, table: str) -> list[Any]:
        components: dict[int, Any] = {}
        for number, expression, kind, own in _types().get(data_type, ()):
            if number in components:
                continue
            pairs = _path(expression, type_name).values(value)
            if not pairs:
                continue
            if kind == "EIHD":  # an EI states its authority in components of its own
                components.update(enumerate(self.authority(str(pairs[0][1])), number))
                continue
            if kind == "HD":
                written: Any = self.authority(str(pairs[0][1]))
            else:
                written = self.value(pairs[0][1], pairs[0][0], kind, table if own == "*" else own)
            if written not in ("", []):
                components[number] = written
        if table and isinstance(components.get(1), str) and components[1] in self._tables.codes.get(_plain(table), {}):
            components.pop(3, None)  # a code of v2's own table
        return [components.get(index, "") for index in range(1, max(components, default=0) + 1)]

    def _place(self, location: dict[str, Any]) -> list[str]:
        """A location and those it is part of as PL, by their physical types."""
        components = [""] * 8
        at: dict[str, Any] | None = location
        for _ in range(6):
            if at is None:
                break
            code = next((one.get("code") for one in at.get("physicalType", {}).get("coding", ())), "")
            index = {"bd": 2, "ro": 1, "lvl": 7, "area": 0, "wa": 0, "bu": 6, "si": 3}.get(code or "", 0)
            if not components[index]:
                components[index] = at.get("name", "")
            at = self._found.resolve(at.get("partOf", {}))
        while components and not components[-1]:
            components.pop()
        return components

    def system_name(self, uri: str) -> str:
        """The name of a code system in CWE.3."""
        if uri in PREFERRED:
            return PREFERRED[uri]
        if found := _V2_TABLE.fullmatch(uri):
            return f"HL7{found[1]}"
        if uri.startswith("urn:x-hl7v2:code-system:"):
            return unquote(uri.removeprefix("urn:x-hl7v2:code-system:"))
        return next((name for name, known in self._tables.systems.items() if known == uri), uri)

    def authority(self, uri: str) -> list[str]:
        """An authority as HD."""
        if uri.startswith(AUTHORITY):
            return [unquote(uri.removeprefix(AUTHORITY))]
        for name, known in self._tables.systems.items():
            if known == uri:
                return [name]
        for prefix, kind in (("urn:oid:", "ISO"), ("urn:uuid:", "UUID"), ("urn:x-hl7v2:dns:", "DNS")):
            if uri.startswith(prefix):
                return ["", uri.removeprefix(prefix), kind]
        return ["", uri, "URI"]


def to_dtm(text: str) -> str:
    """A date or dateTime as DTM: 2024-01-02T10:00:00+02:00 -> 20240102100000+0200."""
    date, _, time = text.partition("T")
    written = date.replace("-", "")
    if not time:
        return written
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?", time)
    if not found:
        return written
    zone = {"Z": "+0000", None: ""}.get(found[5], (found[5] or "").replace(":", ""))
    return f"{written}{found[1]}{found[2]}{found[3]}{(found[4] or '')[:5]}{zone}"


def reverse_codes(tables: Tables, table: str) -> dict[str, str]:
    """R4's codes of a vocabulary table as v2's; where several mean one, the first that the table has."""
    kept = tables.__dict__.setdefault("_reversed", {})
    if table not in kept:
        found: dict[str, str] = {}
        for code, (target, _, _) in tables.codes.get(_plain(table), {}).items():
            found.setdefault(target, code)
        kept[table] = found
    return kept[table]


def _plain(table: str) -> str:
    return "".join(character for character in table if character.isalnum() or character in "[].").lower()


@functools.lru_cache(2048)
def _path(expression: str, type_name: str) -> Path:
    return compile_path(expression, load(), type_name)


@functools.cache
def _types() -> dict[str, list[tuple[int, str, str, str]]]:
    text = resources.files("mappings.hl7v2.outgoing").joinpath("types.csv").read_text("utf-8")
    found: dict[str, list[tuple[int, str, str, str]]] = {}
    for data_type, component, expression, kind, table in list(csv.reader(io.StringIO(text)))[1:]:
        found.setdefault(data_type, []).append((int(component), expression, kind, table))
    return found

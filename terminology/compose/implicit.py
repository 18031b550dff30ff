"""Value sets that exist without a resource, because a code system defines their URLs.

SNOMED CT: https://hl7.org/fhir/R4/snomedct.html#implicit, LOINC: https://hl7.org/fhir/R4/loinc.html#implicit, UCUM, and
the value set of all codes that a CodeSystem names.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from fhir_server.core.errors import error
from terminology.catalog import Catalog
from terminology.store.code_system import SNOMED

LOINC = "http://loinc.org"
_WHOLE = {"http://unitsofmeasure.org/vs": "http://unitsofmeasure.org", "http://loinc.org/vs": LOINC}
_SNOMED = re.compile(rf"(?P<system>{re.escape(SNOMED)}(?:/[0-9]+(?:/version/[0-9]+)?)?)\?fhir_vs(?:=(?P<what>.*))?")

Json = dict[str, Any]


def implicit_value_set(catalog: Catalog, url: str) -> Json | None:
    """A ValueSet resource made from the URL; None where the URL means none."""
    include = _include(catalog, url)
    if include is None:
        return None
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}


def _include(catalog: Catalog, url: str) -> Json | None:
    if url in _WHOLE:
        return {"system": _WHOLE[url]}
    if url.startswith("http://loinc.org/vs/LL"):
        return _filtered(LOINC, "LIST", "=", url.rpartition("/")[2])
    if url.startswith("http://loinc.org/vs/LP"):
        return _filtered(LOINC, "ancestor", "=", url.rpartition("/")[2])
    if match := _SNOMED.fullmatch(url):
        return _snomed(url, match["system"], match["what"])
    for system in catalog.store.all_systems():
        if system.info.resource.get("valueSet") == url:
            used = catalog.system(system.info.url)  # where no version is asked for
            if used is not None and used.info.resource.get("valueSet") == url:
                return {"system": system.info.url}
            return {"system": system.info.url, "version": system.info.version}
    return None


def _snomed(url: str, edition: str, what: str | None) -> Json:
    kind, _, value = unquote(what or "").partition("/")
    if not what:
        include: Json = {"system": SNOMED}
    elif kind == "isa" and value.isdecimal():
        include = _filtered(SNOMED, "concept", "is-a", value)
    elif kind == "refset":
        include = _filtered(SNOMED, "constraint", "=", f"^ {value}" if value else "^ *")
    elif kind == "ecl" and value:
        include = _filtered(SNOMED, "constraint", "=", value)
    else:
        raise error("value", f"{url} means no value set: after fhir_vs= comes isa/, refset or ecl/ and an expression.")
    return {**include, "version": edition} if edition != SNOMED else include


def _filtered(system: str, property: str, op: str, value: str) -> Json:
    return {"system": system, "filter": [{"property": property, "op": op, "value": value}]}

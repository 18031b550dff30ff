"""Value sets that exist without a resource, because a code system defines their URLs.

SNOMED CT: https://hl7.org/fhir/R4/snomedct.html#implicit, LOINC: https://hl7.org/fhir/R4/loinc.html#implicit, UCUM, and
the value set of all codes that a CodeSystem names.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from fhir_server.core.errors import error
from terminology.catalog import Catalog, version_matches
from terminology.store.code_system import SNOMED, StoredSystem

LOINC = "http://loinc.org"
_WHOLE = {"http://unitsofmeasure.org/vs": "http://unitsofmeasure.org", "http://loinc.org/vs": LOINC}
_SNOMED = re.compile(rf"(?P<system>{re.escape(SNOMED)}(?:/[0-9]+(?:/version/[0-9]+)?)?)\?fhir_vs(?:=(?P<what>.*))?")

Json = dict[str, Any]


def implicit_value_set(catalog: Catalog, url: str, version: str = "") -> Json | None:
    """A ValueSet resource made from the URL, its version the code system's; None where the URL means none."""
    include = _include(catalog, url, version)
    if include is None:
        return None
    if version and catalog.grammar(include["system"]) is None:  # a grammar has one version, which has no name
        include["version"] = version
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}


def _include(catalog: Catalog, url: str, version: str) -> Json | None:
    if url in _WHOLE:
        return {"system": _WHOLE[url]}
    if url.startswith("http://loinc.org/vs/LL"):
        return _filtered(LOINC, "LIST", "=", url.rpartition("/")[2])
    if url.startswith("http://loinc.org/vs/LP"):
        return _filtered(LOINC, "ancestor", "=", url.rpartition("/")[2])
    if match := _SNOMED.fullmatch(url):
        if version and match["system"] != SNOMED and not version_matches(match["system"], version):
            return None
        return _snomed(catalog, url, match["system"], match["what"], version)
    for system in catalog.store.all_systems():
        if system.info.resource.get("valueSet") == url and version in ("", system.info.version):
            used = catalog.system(system.info.url)  # where no version is asked for
            if used is not None and used.info.resource.get("valueSet") == url:
                return {"system": system.info.url}
            return {"system": system.info.url, "version": system.info.version}
    return None


def _snomed(catalog: Catalog, url: str, edition: str, what: str | None, version: str) -> Json:
    kind, _, value = unquote(what or "").partition("/")
    if not what:
        include: Json = {"system": SNOMED}
    elif kind == "isa" and value.isdecimal():
        include = _filtered(SNOMED, "concept", "is-a", value)
    elif kind == "refset" and value:
        include = _filtered(SNOMED, "constraint", "=", f"^ {value}")
    elif kind == "refset":
        named = catalog.system(SNOMED, version or (edition if edition != SNOMED else ""))
        sets = named.reference_sets() if isinstance(named, StoredSystem) else ()
        include = _filtered(SNOMED, "concept", "in", ",".join(sets))
    elif kind == "ecl" and value:
        include = _filtered(SNOMED, "constraint", "=", value)
    else:
        raise error("value", f"{url} means no value set: after fhir_vs= comes isa/, refset or ecl/ and an expression.")
    return {**include, "version": edition} if edition != SNOMED else include


def _filtered(system: str, property: str, op: str, value: str) -> Json:
    return {"system": system, "filter": [{"property": property, "op": op, "value": value}]}

"""TerminologyCapabilities (https://hl7.org/fhir/R4/terminologycapabilities.html)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhir_server.core.keys import instant
from terminology.operations.view import COMMON
from terminology.service import Terminology

Json = dict[str, Any]


def capabilities(service: Terminology, expand_parameters: Iterable[str], url: str = "") -> Json:
    """What the service knows and can do; url: the server's base."""
    catalog = service.catalog
    versions: dict[str, list[str]] = {}
    hierarchical: set[str] = set()
    for system in catalog.store.all_systems():
        if system.info.content != "supplement":
            versions.setdefault(system.info.url, []).append(system.info.version)
            if system.hierarchical:
                hierarchical.add(system.info.url)
    for system_url, version in service.shipped.urls("CodeSystem"):
        known = versions.setdefault(system_url, [])
        if version not in known:
            known.append(version)
    for system_url in catalog.grammar_urls():
        versions.setdefault(system_url, [""])
    found: Json = {
        "resourceType": "TerminologyCapabilities",
        "status": "active",
        "date": instant(service.clock()),
        "kind": "instance",
        "software": {"name": "Ultimate HMS"},
        "lockedDate": False,
        "codeSystem": [_system(catalog, system_url, found) for system_url, found in sorted(versions.items())],
        "expansion": {
            "hierarchical": True,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": name} for name in sorted({*expand_parameters, *COMMON})],
            "textFilter": "Each word of the filter begins a word of the code, the display or a designation.",
        },
        "codeSearch": "all",
        "validateCode": {"translations": True},
        "translation": {"needsMap": True},
        "closure": {"translation": False},
    }
    if url:
        found["implementation"] = {"description": "Ultimate HMS terminology service", "url": url}
    return found


def _system(catalog: Any, url: str, versions: list[str]) -> Json:
    default = next(iter(catalog.store.systems(url)), None)
    preferred = default.info.version if default else versions[0]
    found: Json = {"uri": url}
    named = [{"code": version, "isDefault": version == preferred} for version in versions if version]
    if named:
        found["version"] = named
    return found

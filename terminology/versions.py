"""Canonical URLs with versions, and which version is meant where none is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

_EXPRESSION, _EDITION = "?fhir_vs=ecl/", "http://snomed.info/"


def split(canonical: str) -> tuple[str, str]:
    """url and version ("" for none) of a canonical URL; the bars of an ECL expression are around its terms."""
    url, _, version = canonical.partition("|")
    if _EXPRESSION in url:
        url, _, version = canonical.rpartition("|")
        return (url, version) if url and version.startswith(_EDITION) else (canonical, "")
    return url, version


def joined(url: str, version: str) -> str:
    """url|version, or the url alone."""
    return f"{url}|{version}" if version else url


class VersionRules(NamedTuple):
    """What a request says of versions, by code system or value set url.

    default: where nothing else names one (system-version); force: whatever is named (force-system-version);
    check: what must be used, else it is an error (check-system-version).
    """

    default: Mapping[str, str] = MappingProxyType({})
    force: Mapping[str, str] = MappingProxyType({})
    check: Mapping[str, str] = MappingProxyType({})

    def version(self, url: str, named: str) -> str:
        """The version to use; "" for the newest."""
        return self.force.get(url) or named or self.default.get(url) or self.check.get(url, "")


NO_RULES = VersionRules()


def rules(default: Iterable[str] = (), force: Iterable[str] = (), check: Iterable[str] = ()) -> VersionRules:
    """Of canonicals url|version."""
    return VersionRules(dict(map(split, default)), dict(map(split, force)), dict(map(split, check)))

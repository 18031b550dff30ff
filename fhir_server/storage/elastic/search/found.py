"""Documents as an answer has them, and what their terms say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from fhir_server.core.keys import StoredVersion
from fhir_server.storage.elastic import terms

Key = tuple[str, str]  # type, id
Reference = tuple[str, str, str]  # type, id, version
Address = tuple[str, str]  # url, version
T = TypeVar("T")

URL = "url"  # the field of what a canonical resource is called
BUSINESS_VERSION = "s.version"  # the property that has its business version


class Documents(NamedTuple):
    """What to ask for: documents for which a filter holds, the properties that are wanted beside their keys, and how
    many documents at most, None for all."""

    filter: dict[str, Any]
    properties: tuple[str, ...] = ()
    limit: int | None = None


class Found:
    """A document: whose it is, which version, the properties that were asked for beside, and its sort keys."""

    def __init__(self, type: str, id: str, version: int, properties: dict[str, list[Any]], sort: list[Any]) -> None:
        self.type = type
        self.id = id
        self.version = version
        self.properties = properties
        self.sort = sort

    @property
    def key(self) -> Key:
        """Type and id."""
        return self.type, self.id

    def references(self, field: str) -> list[Reference]:
        """Those of a field; needs the property reference."""
        return self._references.get(field, [])

    @cached_property
    def _references(self) -> dict[str, list[Reference]]:
        return _by_field(terms.read_reference, self.properties.get("reference", ()))

    def addresses(self, field: str) -> list[Address]:
        """The URIs and canonicals of a field; needs the property uri."""
        return self._addresses.get(field, [])

    def addresses_of(self, fields: Iterable[str]) -> list[Address]:
        """The same of several fields."""
        known = self._addresses
        return [address for field in fields for address in known.get(field, ())] if known else []

    @cached_property
    def _addresses(self) -> dict[str, list[Address]]:
        return _by_field(terms.read_uri, self.properties.get("uri", ()))

    @property
    def fields(self) -> set[str]:
        """Those that refer to something; needs the properties reference and uri."""
        return self._references.keys() | self._addresses.keys()

    def named_by(self, field: str) -> list[str]:
        """The terms of canonicals of a field that name it; needs the properties uri and s.version."""
        versions = ("", *self.properties.get(BUSINESS_VERSION, ()))
        return [terms.uri_version(field, url, version) for url, _ in self.addresses(URL) for version in versions]


class Matches(NamedTuple):
    """Versions that a page has; newest: of each resource of which the newest was read for it."""

    versions: list[StoredVersion]
    newest: dict[Key, StoredVersion | None]


def _by_field(read: Callable[[str, str], T | None], listed: Iterable[str]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for term in listed:
        field = terms.field_of(term)
        value = read(field, term)
        if value is not None:
            found.setdefault(field, []).append(value)
    return found


def documents(answer: dict[str, Any]) -> list[Found]:
    """The documents of an answer."""
    found: list[Found] = []
    for hit in answer.get("hits", {}).get("hits", ()):
        fields = hit["fields"]
        found.append(Found(fields["type"][0], fields["id"][0], fields["version"][0], fields, hit.get("sort", [])))
    return found

"""Documents as an answer has them, and what their terms say."""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.storage.elastic import terms

Key = tuple[str, str]  # type, id

URL = "url"  # the field of what a canonical resource is called
BUSINESS_VERSION = "s.version"  # the property that has its business version


class Found(NamedTuple):
    """A document: whose it is, which version, the properties that were asked for beside, and its sort keys."""

    type: str
    id: str
    version: int
    properties: dict[str, list[Any]]
    sort: list[Any]

    @property
    def key(self) -> Key:
        """Type and id."""
        return self.type, self.id

    def references(self, field: str) -> list[tuple[str, str, str]]:
        """(type, id, version) of the references of a field; needs the property reference."""
        read = [terms.read_reference(field, term) for term in self.properties.get("reference", ())]
        return [each for each in read if each is not None]

    def addresses(self, field: str) -> list[tuple[str, str]]:
        """(url, version) of the URIs and canonicals of a field; needs the property uri."""
        read = [terms.read_uri(field, term) for term in self.properties.get("uri", ())]
        return [each for each in read if each is not None]

    def named_by(self, field: str) -> list[str]:
        """The terms of canonicals of a field that name it; needs the properties uri and s.version."""
        versions = ("", *self.properties.get(BUSINESS_VERSION, ()))
        return [terms.uri_version(field, url, version) for url, _ in self.addresses(URL) for version in versions]


def documents(answer: dict[str, Any]) -> list[Found]:
    """The documents of an answer."""
    found: list[Found] = []
    for hit in answer["hits"]["hits"]:
        fields = hit["fields"]
        found.append(Found(fields["type"][0], fields["id"][0], fields["version"][0], fields, hit.get("sort", [])))
    return found

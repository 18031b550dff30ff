"""What reference and uri parameters search (https://hl7.org/fhir/R4/search.html#reference and #uri)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.core.keys import ID_PATTERN
from fhir_server.core.values import CANONICAL, REFERENCE, TEXT, TOKEN, URI
from fhir_server.search.extract.adding import Add, Convert
from fhir_server.search.extract.strings import folded
from fhir_server.search.extract.tokens import add_identifier_value
from fhir_server.search.named_types import NAMED, type_in


def reference_converter(is_resource: Callable[[str], bool], base: str) -> Convert:
    """For References: `Type/id`, relative or under the server's own base, is local; any other address is not.

    A logical reference is its identifier, as a token. A contained resource's `#id` can't be asked for, and a display
    alone only as text; they are kept so that :missing knows of them. Of all but local ones the type that they name is
    kept too.
    """
    prefix = base + "/" if base else ""

    def add_type(add: Add, field: str, name: Any) -> None:
        if name.__class__ is str and is_resource(name):
            add((TOKEN, field + NAMED, "", name))

    def add_reference(add: Add, field: str, value: dict[str, Any]) -> None:
        address = value.get("reference")
        if address:
            parts = address.split("/")
            if len(parts) == 2 and is_resource(parts[0]):
                add((REFERENCE, field, parts[0], parts[1], ""))
            elif prefix and address.startswith(prefix):
                add_reference(add, field, {"reference": address[len(prefix) :]})
            elif len(parts) == 4 and parts[2] == "_history" and is_resource(parts[0]):
                add((REFERENCE, field, parts[0], parts[1], parts[3]))
            else:
                add((CANONICAL, field, address, ""))
                add_type(add, field, value.get("type") or type_in(address))
        elif "type" in value:
            add_type(add, field, value["type"])
        if "identifier" in value:
            add_identifier_value(add, field, value["identifier"])
        elif not address and "display" in value:
            add((TEXT, field, folded(value["display"])))

    return add_reference


def add_resource(add: Add, field: str, value: dict[str, Any]) -> None:
    """A resource inside another that a reference parameter leads to: the first entry of a Bundle."""
    if "id" in value:
        add((REFERENCE, field, value["resourceType"], value["id"], ""))


def add_canonical(add: Add, field: str, value: str) -> None:
    """A canonical URL, with its version apart."""
    url, _, version = value.partition("|")
    if url:
        add((CANONICAL, field, url, version))


def canonical_converter(is_resource: Callable[[str], bool]) -> Convert:
    """For canonicals that a reference parameter searches: one that is no URL but `Type/id` is a local reference.

    Whatever version it names is kept beside that, as that of any canonical.
    """

    def add_canonical_reference(add: Add, field: str, value: str) -> None:
        address, _, version = value.partition("|")
        type, _, id = address.partition("/")
        local = is_resource(type) and ID_PATTERN.match(id) is not None
        if local:
            add((REFERENCE, field, type, id, ""))
        if version or not local:
            add_canonical(add, field, value)

    return add_canonical_reference


def add_address(add: Add, field: str, value: str) -> None:
    """A uri that a reference parameter searches."""
    if value:
        add((CANONICAL, field, value, ""))


def add_uri(add: Add, field: str, value: str) -> None:
    """A uri or url."""
    if value.__class__ is str and value:
        add((URI, field, value))

"""A resource to its search values (https://hl7.org/fhir/R4/search.html).

    extractor = Extractor(definitions, fields, base)
    extractor.extract({"resourceType": "Patient", "gender": "male"})
    # [(TOKEN, "gender", "http://hl7.org/fhir/administrative-gender", "male")]

Each type's function is generated on its first use: one walk over the resource, in which converters.py's functions turn
elements into values. compile.py does that; one file per search type has its converters.
"""

from __future__ import annotations

from typing import Any

from fhir_server.core.values import CANONICAL, NARRATIVE, TOKEN, SearchValue
from fhir_server.definitions import Definitions
from fhir_server.search.contained import contained_field, leading_resource, presence_field
from fhir_server.search.extract.adding import Add
from fhir_server.search.extract.compile import TypeExtractor
from fhir_server.search.extract.converters import Converters
from fhir_server.search.fields import Fields
from fhir_server.search.named_types import NAMED

__all__ = ["Extractor"]


class Extractor:
    """Extraction with one set of search parameters.

    base: the server's own base URL, "" where it has none; contained: whether contained resources are indexed too.
    """

    def __init__(self, definitions: Definitions, fields: Fields, base: str = "", contained: bool = True) -> None:
        self._contained = contained
        self._definitions = definitions
        self._fields = fields
        self._converters = Converters(definitions.is_resource, base.rstrip("/"))
        self._types: dict[str, TypeExtractor] = {}

    def extract(self, resource: dict[str, Any]) -> list[SearchValue]:
        """What to index of a resource, without repeats; [] for a type that is not R4's.

        Never raises for content: an element that breaks the definitions has no values, all others have theirs.
        """
        found = self._values(resource)
        contained = resource.get("contained")
        if isinstance(contained, list) and self._contained:
            own = tuple(found)
            for inner in contained:
                if inner.__class__ is dict:
                    self._add_contained(inner, own, found.append)
        leading = leading_resource(resource)
        if leading and self._contained:
            self._add_inner(leading, str(leading.get("id", "")), found.append)
        try:
            return list(dict.fromkeys(found))
        except TypeError:  # an object where a text belongs
            return list(dict.fromkeys(value for value in found if _is_hashable(value)))

    def _values(self, resource: dict[str, Any]) -> list[SearchValue]:
        type_name = resource.get("resourceType", "")
        extractor = self._types.get(type_name)
        if extractor is None:
            if not self._definitions.is_resource(type_name):
                return []
            extractor = self._types[type_name] = TypeExtractor(
                type_name, self._fields.of(type_name), self._definitions, self._converters
            )
        found: list[SearchValue] = []
        try:
            extractor.run(resource, found.append)
        except Exception:  # whatever a broken element led to; each field on its own then
            found = []
            for extract in extractor.fields:
                _leniently(extract, resource, found.append)
        return found

    def _add_contained(self, resource: dict[str, Any], own: tuple[SearchValue, ...], add: Add) -> None:
        """The values of a contained resource, as values of its container (see search.contained).

        own: those of the container itself, of which references to what is contained name its type.
        """
        type_name, id_ = resource.get("resourceType"), resource.get("id")
        if not isinstance(type_name, str) or not isinstance(id_, str):
            return
        for value in own:
            if value[0] == CANONICAL and value[2] == f"#{id_}":
                add((TOKEN, value[1] + NAMED, "", type_name))
        self._add_inner(resource, id_, add)

    def _add_inner(self, resource: dict[str, Any], id_: str, add: Add) -> None:
        type_name = resource["resourceType"]
        add((TOKEN, presence_field(type_name), "", id_))
        for value in self._values(resource):
            if value[0] != NARRATIVE:
                add((value[0], contained_field(type_name, value[1]), *value[2:]))


def _leniently(extract: Any, resource: dict[str, Any], add: Add) -> None:
    values: list[SearchValue] = []
    try:
        extract(resource, values.append)
    except Exception:  # this field can't be understood
        return
    for value in values:
        add(value)


def _is_hashable(value: SearchValue) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True

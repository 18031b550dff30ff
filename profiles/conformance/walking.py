"""One walk over the elements of a resource, with a check for those that something is said of."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from fhir_server.definitions import Definitions, Element
from profiles.conformance.context import Context
from profiles.structure.problems import Problems, under

Json = dict[str, Any]
ValueCheck = Callable[[Any, Context], "Problems | None"]
Choice = Callable[[Element, str], "ValueCheck | None"]  # of an element and the code of its type


class Walk:
    """Walks over resources; choices: each gives the check of an element's values of a type, None where it has none.

    absent: the same of a primitive element that has extensions and no value; its check gets these, as an object.
    """

    def __init__(self, definitions: Definitions, *choices: Choice, absent: Choice) -> None:
        self._definitions = definitions
        self._choices = choices
        self._absent = absent
        self._tables: dict[str, dict[str, tuple[str, ValueCheck | None, str]]] = {}

    def check(self, resource: Json, context: Context) -> Problems | None:
        """The problems of a resource, those of the resources that it holds not among them."""
        name = resource.get("resourceType")
        if not isinstance(name, str) or not self._definitions.is_resource(name):
            return None
        return self._object(resource, name, context)

    def _object(self, value: Json, type_name: str, context: Context) -> Problems | None:
        table = self._tables.get(type_name)
        if table is None:
            table = self._tables[type_name] = self._table(type_name)
        found: Problems | None = None
        for key, item in value.items():
            row = table.get(key)
            if row is None:
                if key[:1] == "_":
                    problems = self._without_value(value.get(key[1:]), item, type_name, key[1:], context)
                    found = found if problems is None else under(found, "", problems)
                continue
            name, check, inner = row
            if type(item) is list:
                for position, each in enumerate(item):
                    problems = self._value(each, check, inner, context)
                    if problems is not None:
                        found = under(found, f".{name}[{position}]", problems)
                continue
            problems = self._value(item, check, inner, context)
            if problems is not None:
                found = under(found, f".{name}", problems)
        return found

    def _without_value(self, value: Any, twin: Any, type_name: str, key: str, context: Context) -> Problems | None:
        """The problems of a primitive element, or of items of it, that have a twin only."""
        property = self._definitions.properties(type_name).get(key)
        check = self._absent(property.element, property.type.code) if property is not None else None
        if check is None or property is None:
            return None
        if type(twin) is not list:
            place = [(f".{property.element.name}", value, twin)]
        else:
            values = value if type(value) is list else ()
            padded = itertools.zip_longest(values, twin)
            place = [(f".{property.element.name}[{n}]", each, other) for n, (each, other) in enumerate(padded)]
        found: Problems | None = None
        for path, each, other in place:
            problems = check(other, context) if each is None and type(other) is dict else None
            found = found if problems is None else under(found, path, problems)
        return found

    def _value(self, value: Any, check: ValueCheck | None, inner: str, context: Context) -> Problems | None:
        found = check(value, context) if check is not None and value is not None else None
        if inner and type(value) is dict:
            inside = self._object(value, inner, context)
            if inside is not None:
                return under(found, "", inside)
        return found

    def _table(self, type_name: str) -> dict[str, tuple[str, ValueCheck | None, str]]:
        """JSON property -> (element, check or None, the type to look into or "") of all that is to be looked at."""
        table = {}
        for key, found in self._definitions.properties(type_name).items():
            code = found.type.code
            check = self._choose(found.element, code)
            inner = "" if found.primitive or code == "Resource" or not self._leads(code, set()) else code
            if check is not None or inner:
                table[key] = (found.element.name, check, inner)
        return table

    def _choose(self, element: Element, code: str) -> ValueCheck | None:
        """The check of an element's values of a type, of all that the choices give."""
        checks = [check for choose in self._choices if (check := choose(element, code)) is not None]
        if len(checks) < 2:
            return checks[0] if checks else None
        return lambda value, context: [p for check in checks for p in check(value, context) or ()] or None

    def _leads(self, type_name: str, seen: set[str]) -> bool:
        """Whether anything in values of a type is checked, extensions aside: those have definitions of their own."""
        seen.add(type_name)
        for found in self._definitions.properties(type_name).values():
            code = found.type.code
            if self._choose(found.element, code) is not None or self._absent(found.element, code) is not None:
                return True
            if found.primitive or code in ("Resource", "Extension") or code in seen:
                continue
            if self._leads(code, seen):
                return True
        return False

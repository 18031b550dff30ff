"""Whether JSON has the shape of its R4 type, so that what reads it need not ask at every step.

It is asked of what comes along in parameters and of what is stored; whether the content is right is the validator's
matter. Elements that R4 does not have are passed over.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server import definitions
from fhir_server.core.errors import FhirError, error
from fhir_server.definitions.tables import Property

_NUMBERS = (int, float, Decimal)
_JSON: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "integer": ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "decimal": ("a number", lambda value: isinstance(value, _NUMBERS) and not isinstance(value, bool)),
}
_JSON["positiveInt"] = _JSON["unsignedInt"] = _JSON["integer"]
_TEXT: tuple[str, Callable[[Any], bool]] = ("text", lambda value: isinstance(value, str))
_ANY_RESOURCE = "Resource"
_MAX_DEPTH = 2000


@functools.cache
def _properties(type: str) -> tuple[dict[str, Property], tuple[str, ...]]:
    """The JSON properties of a type, and the single ones that must be there."""
    found = definitions.load().properties(type)
    elements = {name: each.element for name, each in found.items()}
    return found, tuple(name for name, each in elements.items() if each.min and not each.choice and not each.repeats)


def require_shape(value: Any, type: str, where: str, optional: bool = False) -> None:
    """FhirError unprocessable, with the path, where a value has not the shape of the type.

    optional: whether the elements at its top may be missing, as in a resource that only comes along.
    """
    waiting = [(value, type, where, optional, 0)]
    while waiting:
        found, kind, path, may_lack, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise error("too-costly", f"{path[:200]}… is nested more than {_MAX_DEPTH} deep.")
        if not isinstance(found, dict):
            raise _wrong(path, f"a {kind}", found)
        if kind == _ANY_RESOURCE:
            kind = found.get("resourceType")
            if not isinstance(kind, str) or not definitions.load().is_resource(kind):
                raise error("unprocessable", f"{path} must be a resource with a resourceType of R4.", expression=path)
        properties, required = _properties(kind)
        for name in required:
            if name not in found and f"_{name}" not in found and not may_lack:
                raise error("unprocessable", f"{path}.{name} is missing.", expression=f"{path}.{name}", code="required")
        for name, each in found.items():
            property = properties.get(name)
            if property is None:
                continue
            here = f"{path}.{name}"
            if property.element.repeats and not isinstance(each, list):
                raise _wrong(here, "a list", each)
            for item in each if property.element.repeats else (each,):
                if property.primitive:
                    _require_primitive(item, property.type.code, here)
                else:
                    waiting.append((item, property.type.code, here, False, depth + 1))


def _require_primitive(value: Any, type: str, where: str) -> None:
    expected, holds = _JSON.get(type, _TEXT)
    if not holds(value) or value == "":
        raise _wrong(where, expected, value)


def _wrong(where: str, expected: str, found: Any) -> FhirError:
    shown = {dict: "an object", list: "a list", type(None): "null"}.get(type(found), f"'{str(found)[:40]}'")
    return error("unprocessable", f"{where} must be {expected}, not {shown}.", expression=where, code="structure")

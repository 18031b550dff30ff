"""The in-parameters of a call, out of a Parameters resource (https://hl7.org/fhir/R4/parameters.html).

Values may also be the strings that a GET gives.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from fhir_server.core.errors import error
from terminology.shape import require_shape

Json = dict[str, Any]


class Arguments:
    """Reads parameters by name, refusing those that are wrong; names: those that the operation has."""

    def __init__(self, parameters: Json, names: Iterable[str]) -> None:
        self._values: dict[str, list[Any]] = {}
        known = frozenset(names)
        for parameter in entries(parameters):
            name = parameter["name"]
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"Did you mean '{near[0]}'?" if near else f"It has: {', '.join(sorted(known))}."
                message = f"The operation has no parameter '{name[:80]}'. {hint}"
                raise error("unsupported-parameter", message, location=name[:80])
            self._values.setdefault(name, []).append(_value(parameter))

    def has(self, name: str) -> bool:
        """Whether it was given."""
        return name in self._values

    def one(self, name: str) -> Any:
        """The value, None where it isn't given; FhirError where it is given more than once."""
        found = self._values.get(name, ())
        if len(found) > 1:
            raise error("value", f"The parameter '{name}' may stand once, not {len(found)} times.", location=name)
        return found[0] if found else None

    def all(self, name: str) -> list[Any]:
        """All values."""
        return self._values.get(name, [])

    def text(self, name: str) -> str:
        """A string, uri or code; "" where it isn't given."""
        value = self.one(name)
        if value is not None and not isinstance(value, str):
            raise error("value", f"The parameter '{name}' is text, not {_kind(value)}.", location=name)
        return value or ""

    def texts(self, name: str) -> list[str]:
        """All strings."""
        found = self.all(name)
        wrong = next((value for value in found if not isinstance(value, str)), None)
        if wrong is not None:
            raise error("value", f"The parameter '{name}' is text, not {_kind(wrong)}.", location=name)
        return found

    def flag(self, name: str) -> bool | None:
        """A boolean, None where it isn't given."""
        value = self.one(name)
        if value is None or isinstance(value, bool):
            return value
        if value not in ("true", "false"):
            raise error("value", f"'{name}' must be true or false, not '{str(value)[:40]}'.", location=name)
        return value == "true"

    def whole(self, name: str) -> int | None:
        """A whole number, zero or more, None where it isn't given."""
        value = self.one(name)
        if value is None:
            return None
        if isinstance(value, bool) or not (str(value).isascii() and str(value).isdecimal()) or len(str(value)) > 9:
            message = f"'{name}' must be a whole number, zero or more, not '{str(value)[:40]}'."
            raise error("value", message, location=name)
        return int(value)

    def coding(self, name: str) -> Json | None:
        """A Coding, or its short form system|code."""
        value = self.one(name)
        if isinstance(value, str):
            system, bar, code = value.rpartition("|")
            value = {"system": system, "code": code} if bar else {"code": code}
        return self._checked(name, value, "Coding")

    def concept(self, name: str) -> Json | None:
        """A CodeableConcept."""
        return self._checked(name, self.one(name), "CodeableConcept")

    def codings(self, name: str) -> list[Json]:
        """All Codings of a parameter that may repeat."""
        return [self._checked(name, value, "Coding") for value in self.all(name)]

    def resource(self, name: str, type: str) -> Json | None:
        """A resource of this type."""
        value = self.one(name)
        if value is not None and (not isinstance(value, dict) or value.get("resourceType") != type):
            raise error("value", f"The parameter '{name}' must have a {type} in its element resource.", location=name)
        if value is not None:
            require_shape(value, type, type, optional=True)
        return value

    def resources(self, name: str) -> list[Json]:
        """All resources of a parameter that may repeat."""
        for value in (found := self.all(name)):
            require_shape(value, "Resource", name, optional=True)
        return found

    @staticmethod
    def _checked(name: str, value: Any, kind: str) -> Any:
        if value is not None:
            if not isinstance(value, dict):
                raise error("value", f"The parameter '{name}' must be a {kind}, not {_kind(value)}.", location=name)
            require_shape(value, kind, name)
        return value


class Part(dict[str, Any]):
    """The parts of a parameter by name."""


def entries(parameters: Any, key: str = "parameter") -> list[Json]:
    """The entries of a Parameters resource, each with a name; FhirError where they are not as R4 wants them."""
    found = parameters.get(key, []) if isinstance(parameters, dict) else None
    if not isinstance(found, list):
        raise error("value", "A Parameters resource has its parameters in the list 'parameter'.")
    for each in found:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise error("value", f"Each entry of '{key}' is an object with a name, and a value, a resource or parts.")
    return found


def _value(parameter: Json) -> Any:
    if "resource" in parameter:
        return parameter["resource"]
    if "part" in parameter:
        parts = Part()
        for part in entries(parameter, "part"):
            value = _value(part)
            name = part["name"]
            if isinstance(value, Part):
                parts.setdefault(name, []).append(value)
            else:
                parts[name] = value
        return parts
    for key, value in parameter.items():
        if key.startswith("value") and value is not None:
            return value
    raise error(
        "value", f"The parameter '{parameter.get('name', '')}' has no value.", location=parameter.get("name", "")
    )


def _kind(value: Any) -> str:
    return (
        "an object" if isinstance(value, dict) else "a boolean" if isinstance(value, bool) else f"'{str(value)[:40]}'"
    )


def parameters(*entries: Json | None) -> Json:
    """A Parameters resource of the entries that are not None."""
    return {"resourceType": "Parameters", "parameter": [entry for entry in entries if entry is not None]}


def entry(name: str, type: str, value: Any) -> Json | None:
    """A parameter with a value of this type (string, Coding …); None where there is no value."""
    return None if value is None or value == "" else {"name": name, f"value{type[0].upper()}{type[1:]}": value}


def parts(name: str, *entries: Json | None) -> Json:
    """A parameter with parts."""
    return {"name": name, "part": [each for each in entries if each is not None]}

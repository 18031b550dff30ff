"""JSON Merge Patch (https://www.rfc-editor.org/rfc/rfc7396) on the JSON of a resource."""

from __future__ import annotations

from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.interactions.patching.emptied import without_emptied


def apply(resource: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The patched copy: null removes, objects are merged, anything else replaces.

    Objects that a removal leaves empty are left out at the end, as FHIR has no empty elements.
    """
    emptied: list[Any] = []
    patched = decode(serialize(resource))
    _merge(patched, patch, emptied)
    return without_emptied(patched, emptied)


def _merge(target: dict[str, Any], patch: dict[str, Any], emptied: list[Any]) -> None:
    for name, value in patch.items():
        if value is None:
            if target.pop(name, None) is not None:
                emptied.append(target)
        elif isinstance(value, dict):
            child = target.get(name)
            if not isinstance(child, dict):
                child = target[name] = {}
            _merge(child, value, emptied)
        else:
            target[name] = value

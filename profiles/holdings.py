"""The resources that a resource holds: entries of a Bundle, values of Parameters, contained ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from profiles.conformance import Context
from profiles.conformance.context import base_of

Json = dict[str, Any]


def resources(resource: Json, path: str, context: Context) -> Iterator[tuple[Json, str, Context]]:
    """(resource, path, context) of a resource and of all that it holds, at any depth."""
    yield resource, path, context
    for key in ("contained", "entry", "parameter"):
        values = resource.get(key)
        for position, value in enumerate(values if isinstance(values, list) else ()):
            if not isinstance(value, dict):
                continue
            place = f"{path}.{key}[{position}]"
            if key == "contained":
                yield from resources(value, place, context.contained(value))
            else:
                yield from _held(value, place, context)


def _held(value: Json, path: str, context: Context) -> Iterator[tuple[Json, str, Context]]:
    inner = value.get("resource")
    if isinstance(inner, dict):
        yield from resources(inner, path + ".resource", context.inside(inner, base_of(value)))
    parts = value.get("part")
    for position, part in enumerate(parts if isinstance(parts, list) else ()):
        if isinstance(part, dict):
            yield from _held(part, f"{path}.part[{position}]", context)


def declared(resource: Json) -> list[str]:
    """The profiles that a resource says it conforms to, in meta.profile."""
    meta = resource.get("meta")
    found = meta.get("profile") if isinstance(meta, dict) else None
    return [url for url in found if isinstance(url, str) and url] if isinstance(found, list) else []

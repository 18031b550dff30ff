"""The text of a Reference and the types it may point to (https://hl7.org/fhir/R4/references.html)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fhir_server.definitions import Definitions
from profiles.structure.pending import local_reference
from profiles.structure.problems import Problems, listed, nearest, problem, shown

ID = r"[A-Za-z0-9\-.]{1,64}"
LOCAL = re.compile(rf"([A-Z][A-Za-z]+)/{ID}(?:/_history/{ID})?").fullmatch  # Type/id, or a version of it
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match
_LITERAL = re.compile(
    r"(?P<base>https?://[^?#]*/)?(?P<type>[A-Z][A-Za-z]+)(?:/(?P<id>[^/?#]*)(?:/_history/[^/?#]+)?|\?.*)(?:#.*)?"
).fullmatch


def reference_type(text: str) -> tuple[str, bool]:
    """(type that a reference text names or "", whether it is relative to this server)."""
    match = _LITERAL(text)
    return (match["type"], not match["base"]) if match else ("", False)


def target_check(definitions: Definitions) -> Callable[[dict[str, Any], frozenset[str]], Problems | None]:
    """A function (Reference, allowed types) -> problems; it is asked where a look at the text did not settle it."""

    def check(reference: dict[str, Any], allowed: frozenset[str]) -> Problems | None:
        text = reference.get("reference")
        if text and text[0] == "#":
            return local_reference(text[1:], allowed)
        named, local = reference_type(text) if text else ("", False)
        stated = reference.get("type")
        if text and _malformed(text, named, local):
            said = f"{shown(text)} is no reference: write Type/id, an absolute URL, or #id of a contained resource"
            return problem("reference-format", "value", said, ".reference")
        if named and local and not definitions.is_resource(named):
            hint = nearest(named, definitions.resource_types)
            return problem(
                "reference-type", "value", f"'{named}' in {shown(text)} is no resource type{hint}", ".reference"
            )
        if named and definitions.is_resource(named) and named not in allowed:
            return _refuse(named, ".reference", allowed)
        if stated and named and stated != named and definitions.is_resource(stated):
            said = f"type is {stated}, but the reference {shown(text)} names a {named}"
            return problem("reference-type", "value", said, ".type")
        if stated and definitions.is_resource(stated) and stated not in allowed:
            return _refuse(stated, ".type", allowed)
        return None

    return check


def _malformed(text: str, named: str, local: bool) -> bool:
    """Whether a reference's text is neither a URL nor the type and id, or the type and criteria, of a resource."""
    if any(character.isspace() for character in text):
        return True
    if not named:
        return _SCHEME(text) is None
    return local and "?" not in text and LOCAL(text.partition("#")[0]) is None


def _refuse(named: str, path: str, allowed: frozenset[str]) -> Problems:
    return problem(
        "reference-target", "value", f"a reference to {named} is not allowed here: only to {listed(allowed)}", path
    )

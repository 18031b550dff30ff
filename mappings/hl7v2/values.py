"""Values that rules make: base64 data, primitives, and codes by a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mappings.hl7v2.codings import system_uri
from mappings.hl7v2.context import Context
from mappings.hl7v2.elements import Element
from mappings.hl7v2.primitives import UNREADABLE, convert, encoded, readable
from mappings.hl7v2.rules import Rule
from mappings.hl7v2.source import Value, part
from mappings.hl7v2.targets import Step

if TYPE_CHECKING:
    from mappings.hl7v2.putting import Putter

_CODED = frozenset(("Coding", "CodeableConcept", "Quantity", "Identifier"))


def data_of(applier: Putter, value: Value, rule: Rule, context: Context, shown: str) -> str | None:
    """base64Binary: of ED.5 in the encoding of ED.4, else of a text."""
    whole = context.inner if context.inner is not None else context.value
    encoding = part(whole, 4) if rule.name.startswith("ED[") else "A"
    text = part(value)
    found = encoded(text, encoding or "Base64")
    if found is None and text:
        applier.issues.append(f"{shown}: the data is not {encoding or 'Base64'}.")
    return found


def primitive_of(applier: Putter, text: str, kind: str, rule: Rule, base: Element, step: Step, shown: str) -> Any:
    """A text as a primitive; a name of a system as its URI; None, with an issue, where it is none."""
    if not text:
        return None
    if kind in ("uri", "url") and step.name == "system" and base.type in _CODED:
        return system_uri(applier.tables, text)
    if rule.vocabulary:
        return text
    found = convert(text, kind, applier.zone)
    if found is None:
        applier.issues.append(f"{shown}: {readable(text[:40])!r} is no {kind}.")
    elif found.__class__ is str and UNREADABLE in found and UNREADABLE not in text:
        applier.issues.append(
            f"{shown}: it has bytes that are not of the message's character set, shown as {UNREADABLE}."
        )
    return found


def translated(applier: Putter, rule: Rule, code: str, kind: str, shown: str) -> str | None:
    """A code by a table; None, with an issue, where that does not have it."""
    found = applier.tables.code(rule.vocabulary, code)
    if found is None:
        if kind == "code":
            applier.issues.append(f"{shown}: the code {code[:40]!r} is not in the table {rule.vocabulary}.")
        return None
    return found[0] if kind != "boolean" else convert(found[0], "boolean")

"""String manipulation (https://hl7.org/fhirpath/#string-manipulation)."""

from __future__ import annotations

import base64
import binascii
import html
import json
from collections.abc import Callable
from typing import Any

from fhir_server.fhirpath import strings
from fhir_server.fhirpath.engine.conversion import single
from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.functions.function import Function, Run
from fhir_server.fhirpath.engine.items import Item
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model

Items = list[Item]

_CHARACTERS_A_STEP = 16


def _on_text(name: str, call: Callable[..., Any], *types: str, optional: int = 0) -> Function:
    """A function of one String whose arguments have these types, the last `optional` of them optional.

    An empty input or required argument makes an empty result; call gets plain values and answers None for empty.
    """
    required = len(types) - optional

    def run(model: Model, frame: Frame, items: Items, *arguments: Items) -> Items:
        text = single(model, items, "String", f"{name}()")
        values = [
            single(model, argument, expected, f"An argument of {name}()")
            for argument, expected in zip(arguments, types, strict=False)
        ]
        if text is None or any(value is None for value in values[:required]):
            return []
        result = call(text, *values)
        frame.shared.budget.spend((len(text) + (len(result) if isinstance(result, str) else 0)) // _CHARACTERS_A_STEP)
        if "String" in types:
            frame.shared.budget.look_at_clock()
        return [] if result is None else [result]

    return Function(run, required, len(types))


def _encode(text: str, form: str) -> str | None:
    data = text.encode()
    if form == "hex":
        return data.hex()
    if form == "base64":
        return base64.b64encode(data).decode()
    if form == "urlbase64":
        return base64.urlsafe_b64encode(data).decode()
    if form == "ascii":
        return "".join(char if char < "\x80" else "?" for char in text)
    raise FhirPathError("execution", f"encode() knows hex, base64, urlbase64 and ascii, not `{form}`")


def _decode(text: str, form: str) -> str | None:
    decoders: dict[str, Callable[[str], bytes]] = {
        "hex": bytes.fromhex,
        "base64": lambda value: base64.b64decode(value, validate=True),
        "urlbase64": lambda value: base64.b64decode(value, altchars=b"-_", validate=True),
    }
    if form not in decoders:
        raise FhirPathError("execution", f"decode() knows hex, base64 and urlbase64, not `{form}`")
    try:
        return decoders[form](text).decode()
    except (ValueError, binascii.Error):
        return None


def _escape(text: str, target: str) -> str:
    if target == "html":
        return html.escape(text, quote=True)
    if target == "json":
        return json.dumps(text, ensure_ascii=False)[1:-1]
    raise FhirPathError("execution", f"escape() knows html and json, not `{target}`")


def _unescape(text: str, target: str) -> str | None:
    if target == "html":
        return html.unescape(text)
    if target == "json":
        try:
            value = json.loads(f'"{text}"')
        except ValueError:
            return text.replace('\\"', '"')
        return value if isinstance(value, str) else None
    raise FhirPathError("execution", f"unescape() knows html and json, not `{target}`")


def _pieces(name: str, cut: Callable[..., list[str]]) -> Run:
    def run(model: Model, frame: Frame, items: Items, *arguments: Items) -> Items:
        text = single(model, items, "String", f"{name}()")
        values = [single(model, argument, "String", f"An argument of {name}()") for argument in arguments]
        if text is None or None in values:
            return []
        pieces = cut(text, *values)
        frame.shared.budget.spend(len(pieces))
        return list(pieces)

    return run


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _join(model: Model, frame: Frame, items: Items, separator: Items | None = None) -> Items:
    if not items:
        return [""] if frame.shared.environment.joins_nothing else []
    between = single(model, separator, "String", "The separator of join()") if separator else ""
    values = [single(model, [item], "String", "join()") for item in items]
    return [strings.limited((between or "").join(value for value in values if value is not None))]


FUNCTIONS = {
    "indexOf": _on_text("indexOf", strings.indexOf, "String"),
    "lastIndexOf": _on_text("lastIndexOf", strings.lastIndexOf, "String"),
    "substring": _on_text("substring", strings.substring, "Integer", "Integer", optional=1),
    "startsWith": _on_text("startsWith", strings.startsWith, "String"),
    "endsWith": _on_text("endsWith", strings.endsWith, "String"),
    "contains": _on_text("contains", strings.contains, "String"),
    "upper": _on_text("upper", strings.upper),
    "lower": _on_text("lower", strings.lower),
    "replace": _on_text("replace", strings.replace, "String", "String"),
    "matches": _on_text("matches", strings.matches, "String", "String", optional=1),
    "matchesFull": _on_text("matchesFull", strings.matchesFull, "String", "String", optional=1),
    "replaceMatches": _on_text("replaceMatches", strings.replaceMatches, "String", "String", "String", optional=1),
    "length": _on_text("length", strings.length),
    "trim": _on_text("trim", strings.trim),
    "encode": _on_text("encode", _encode, "String"),
    "decode": _on_text("decode", _decode, "String"),
    "escape": _on_text("escape", _escape, "String"),
    "unescape": _on_text("unescape", _unescape, "String"),
    "toChars": Function(_pieces("toChars", list)),
    "split": Function(_pieces("split", _split), 1, 1),
    "join": Function(_join, 0, 1),
}

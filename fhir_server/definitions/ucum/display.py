"""A unit in words, for people: the display of a UCUM code."""

from __future__ import annotations

from fhir_server.definitions.ucum import essence
from fhir_server.definitions.ucum.grammar import parse


def _name(symbol: str) -> str:
    tables = essence.load()
    if symbol in tables.atoms:
        return tables.atoms[symbol].name
    for length in (2, 1):
        prefix = tables.prefixes.get(symbol[:length])
        atom = tables.atoms.get(symbol[length:])
        if prefix and atom and atom.metric:
            return prefix.name + atom.name
    return symbol


def describe(code: str) -> str:
    """`mg/dL` as (milligram) / (deciliter); InvalidUnit where it is no unit. `1` and annotations are (unity)."""
    words = ""
    for symbol, exponent in parse(code).terms:
        divided = exponent < 0
        size = abs(exponent)
        if symbol.isdigit():
            part = symbol if size == 1 else f"{symbol} ^ {size}"
        else:
            part = f"({_name(symbol)}{f' ^ {size}' if size != 1 else ''})"
        if words:
            words += f" / {part}" if divided else f" * {part}"
        else:
            words = f"1 / {part}" if divided else part
    return words or "(unity)"

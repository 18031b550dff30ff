"""Clauses as one line of text, for the pairs in queries.txt and rewrites.txt."""

import dataclasses
import datetime

from fhir_server.core import query as q

EPOCH = datetime.datetime(1970, 1, 1)


def moment(microseconds):
    text = (EPOCH + datetime.timedelta(microseconds=microseconds)).isoformat()
    return text.removesuffix("T00:00:00")


def render(clause):
    match clause:
        case q.All(clauses):
            return f"({' and '.join(map(render, clauses))})" if clauses else "everything"
        case q.Any(clauses):
            return f"({' or '.join(map(render, clauses))})" if clauses else "nothing"
        case q.Not(inner):
            return f"not {render(inner)}"
        case q.Chain(fields, targets):
            return f"{','.join(fields)} -> {' | '.join(f'{name}[{render(inner)}]' for name, inner in targets)}"
        case q.Has(source, fields, inner):
            return f"{source}[{render(inner)}] -> {','.join(fields)}"
        case q.CompositeIs(fields, parts):
            return f"{','.join(fields)}: {' $ '.join(map(render, parts))}"
        case q.TokenIs(fields, system, code):
            coding = code if system is None else f"{system}|{'' if code is None else code}"
            return f"{','.join(fields)} = {coding}"
        case q.DateIs(fields, comparator, low, high):
            return f"{','.join(fields)} {comparator} [{moment(low)}, {moment(high + 1)})"
        case q.UpdatedIs(comparator, low, high):
            return f"updated {comparator} [{moment(low)}, {moment(high + 1)})"
        case q.NumberIs(fields, comparator, value, low, high):
            return f"{','.join(fields)} {comparator} {value:g} [{low:g}, {high:g})"
        case q.QuantityIs(fields, comparator, value, low, high, unit):
            shown = "" if unit is None else f" {unit[0] or ''}|{unit[1]}"
            return f"{','.join(fields)} {comparator} {value:g} [{low:g}, {high:g}){shown}"
        case q.RefersTo(fields, targets, target_types, version):
            named = " ".join("/".join(target) for target in targets)
            return (
                f"{','.join(fields)} -> {named}"
                + (f" of {target_types}" if target_types else "")
                + (f" version {version}" if version else "")
            )
        case q.StringIs(fields, mode, text):
            return f"{','.join(fields)} {mode} '{text}'"
    values = [getattr(clause, field.name) for field in dataclasses.fields(clause)]
    if isinstance(clause, q.RefersWithin) and clause.through == q.EVERYTHING:
        values.pop()
    return f"{type(clause).__name__}({', '.join(map(show, values))})"


def show(value):
    if isinstance(value, tuple):
        return "+".join(map(show, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_pairs(path):
    """(input, expected) of a file of two-line pairs; # begins a comment line."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    lines = [line for line in lines if line and not line.startswith("# ")]
    return list(zip(lines[::2], lines[1::2], strict=True))

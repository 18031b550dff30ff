"""The little that must be known of a search parameter's expression before it is compiled: its union and its root."""

from __future__ import annotations

import re

_ROOT = re.compile(r"\(*\s*([A-Za-z]+)")
_AS_OPERATOR = re.compile(r"\(\s*([\w.]+)\s+as\s+(\w+)\s*\)\Z")
_RESOLVE_IS = re.compile(r"(.+)\.where\(\s*resolve\(\)\s+is\s+(\w+)\s*\)\Z", re.DOTALL)


def split_union(expression: str) -> list[str]:
    """The branches of `a | b | c`, without looking into parentheses or strings."""
    branches, depth, quoted, start = [], 0, False, 0
    for position, char in enumerate(expression):
        if char == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "|" and depth == 0:
            branches.append(expression[start:position].strip())
            start = position + 1
    return [branch for branch in (*branches, expression[start:].strip()) if branch]


def root_of(branch: str) -> str:
    """The type that a branch starts at: Patient of Patient.name, Observation of (Observation.value as Quantity)."""
    match = _ROOT.match(branch)
    return match[1] if match else ""


def normal_form(branch: str) -> tuple[str, str]:
    """(path, target type): one spelling for `(a as T)` and `a.as(T)`; `x.where(resolve() is T)` becomes (x, T)."""
    match = _RESOLVE_IS.match(branch)
    if match:
        return normal_form(match[1])[0], match[2]
    match = _AS_OPERATOR.match(branch)
    return (f"{match[1]}.as({match[2]})" if match else branch), ""

"""Parts of a definition as objects, whatever stands there, and whether an expression in it can be read."""

from __future__ import annotations

from typing import Any

from fhir_server.fhirpath import FhirPathError, compile_path
from profiles.snapshot.registry import Registry
from profiles.structure.problems import Problem, Problems

Json = dict[str, Any]


def object_of(value: Any) -> Json:
    """A value that is an object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects_of(values: Any) -> list[Json]:
    """The objects in a list, none where there is no list."""
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def expression_problems(expression: Any, path: str, registry: Registry) -> Problems:
    """An error for FHIRPath that is none, a warning for what can't be compiled for another reason."""
    if not isinstance(expression, str):
        return []
    try:
        compile_path(expression, registry.definitions)
    except FhirPathError as failure:
        severity = "error" if failure.kind == "syntax" else "warning"
        return [Problem("fhirpath", "invalid", f"the expression can't be read: {failure}", path, severity)]
    return []

"""$batch-validate-code: many $validate-code in one call.

A parameter `validation` for each, with a Parameters resource as $validate-code takes it; the answers come in the same
order, an OperationOutcome where one could not be answered. What stands beside them holds for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.core.errors import FhirError, error, operation_outcome
from terminology.operations.arguments import entries

MAX_VALIDATIONS = 10_000

Json = dict[str, Any]
Operation = Callable[[Json, Json | None], Json]


def batch(validate: Operation, given: Json, instance: Json | None = None) -> Json:
    """Answers each validation on its own."""
    given_entries = entries(given)
    shared = [entry for entry in given_entries if entry["name"] != "validation"]
    asked = [entry.get("resource") for entry in given_entries if entry["name"] == "validation"]
    if not asked:
        raise error(
            "required", "Give at least one parameter 'validation' with a Parameters resource.", location="validation"
        )
    if len(asked) > MAX_VALIDATIONS:
        raise error("too-costly", f"A batch may have {MAX_VALIDATIONS} validations, this one has {len(asked)}.")
    answers = [{"name": "validation", "resource": _one(validate, each, shared, instance)} for each in asked]
    return {"resourceType": "Parameters", "parameter": answers}


def _one(validate: Operation, asked: Any, shared: list[Json], instance: Json | None) -> Json:
    if not isinstance(asked, dict) or asked.get("resourceType") != "Parameters":
        failure = error("value", "A validation is a Parameters resource.", location="validation")
        return operation_outcome(failure.issues)
    try:
        own = entries(asked)
        names = {parameter["name"] for parameter in own}
        combined = [*own, *(entry for entry in shared if entry["name"] not in names)]
        return validate({"resourceType": "Parameters", "parameter": combined}, instance)
    except FhirError as failure:
        return operation_outcome(failure.issues)

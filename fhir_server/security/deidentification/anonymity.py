"""k-anonymity: among how many others each resource hides, by what may be known of a person from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fhir_server.core.errors import error
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import FhirPathError, compile_path

QUASI_IDENTIFIERS = ("gender", "birthDate.toString().substring(0, 4)", "address.postalCode.substring(0, 3)")


class Anonymity(NamedTuple):
    """k: the size of the smallest class of those that can't be told apart, 0 for no resources; classes: how many.

    unique: resources that are alone in their class; small: those in a class of fewer than the threshold.
    """

    k: int
    resources: int
    classes: int
    unique: int
    small: int


def anonymity(
    resources: Iterable[dict[str, Any]],
    definitions: Definitions,
    type: str,
    quasi: Sequence[str] = QUASI_IDENTIFIERS,
    threshold: int = 5,
) -> Anonymity:
    """By these FHIRPath expressions on resources of a type; FhirError "value" for one that can't be used."""
    try:
        paths = [compile_path(expression, definitions, type) for expression in quasi]
        classes = Counter(
            tuple(tuple(sorted(str(value) for _, value in path.values(resource))) for path in paths)
            for resource in resources
        )
    except FhirPathError as problem:
        raise error("value", f"A quasi-identifier can't be used on {type}: {problem}.", location="quasi") from None
    sizes = classes.values()
    return Anonymity(
        min(sizes, default=0), sum(sizes), len(classes), sum(size == 1 for size in sizes),
        sum(size for size in sizes if size < threshold),
    )  # fmt: skip

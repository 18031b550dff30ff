"""From a DICOM JSON model to a FHIR resource: a table of rows, and this engine over them.

A row says which element of the resource comes of which attribute and how: Row("series[].modality", "00080060", coding).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

Model = dict[str, dict[str, Any]]
Conversion = Callable[[list[Any], Model], Any]


class Row(NamedTuple):
    """One element: its path below the resource or backbone element, its attribute, and how its values are converted.

    A path that ends in [] takes each value that the conversion gives, as it gives a list.
    """

    element: str
    tag: str
    conversion: Conversion


def apply(table: Iterable[Row], model: Model, into: dict[str, Any]) -> dict[str, Any]:
    """Puts what the table says into an element; what has no value leaves nothing behind."""
    for row in table:
        values = [value for value in model.get(row.tag, {}).get("Value", ()) if value not in (None, "", {})]
        if not values:
            continue
        made = row.conversion(values, model)
        if made in (None, "", [], {}):
            continue
        *outer, last = row.element.split(".")
        at = into
        for name in outer:
            at = at.setdefault(name, {})
        if last.endswith("[]"):
            at.setdefault(last[:-2], []).extend(made)
        else:
            at[last] = made
    return into

"""R4's operations, one per file (https://hl7.org/fhir/R4/operationslist.html), and the table of those registered."""

from __future__ import annotations

from fhir_server.definitions import Definitions
from fhir_server.interactions.operation import OperationHandler
from fhir_server.operations import convert, document, everything, graph, lastn, meta, purge, validate

HANDLERS: tuple[OperationHandler, ...] = (
    *validate.HANDLERS,
    *everything.HANDLERS,
    *meta.HANDLERS,
    *purge.HANDLERS,
    *lastn.HANDLERS,
    *document.HANDLERS,
    *convert.HANDLERS,
    *graph.HANDLERS,
)


def registered(
    definitions: Definitions, handlers: tuple[OperationHandler, ...] = HANDLERS
) -> dict[str, list[OperationHandler]]:
    """code -> handlers, each with its official definition where there is one."""
    found: dict[str, list[OperationHandler]] = {}
    for handler in handlers:
        definition = next(
            (
                o
                for o in definitions.operations
                if o.code == handler.code
                and (
                    not handler.types
                    or not o.resources
                    or set(handler.types) & set(o.resources)
                    or "Resource" in o.resources
                )
            ),
            None,
        )
        found.setdefault(handler.code, []).append(handler._replace(definition=definition))
    return found

"""R4's operations, one per file (https://hl7.org/fhir/R4/operationslist.html), and the table of those registered."""

from __future__ import annotations

from fhir_server.definitions import Definitions, Operation
from fhir_server.interactions.operation import OperationHandler
from fhir_server.operations import (
    changes,
    convert,
    deidentify,
    docref,
    document,
    everything,
    fhirpath,
    graph,
    graphql,
    ihe_pix,
    lastn,
    match,
    meta,
    purge,
    validate,
    viewdefinition_run,
)

HANDLERS: tuple[OperationHandler, ...] = (
    *validate.HANDLERS,
    *everything.HANDLERS,
    *meta.HANDLERS,
    *purge.HANDLERS,
    *lastn.HANDLERS,
    *match.HANDLERS,
    *ihe_pix.HANDLERS,
    *document.HANDLERS,
    *docref.HANDLERS,
    *deidentify.HANDLERS,
    *convert.HANDLERS,
    *graph.HANDLERS,
    *graphql.HANDLERS,
    *fhirpath.HANDLERS,
    *viewdefinition_run.HANDLERS,
    *changes.HANDLERS,
)


def registered(
    definitions: Definitions, handlers: tuple[OperationHandler, ...] = HANDLERS
) -> dict[str, list[OperationHandler]]:
    """code -> handlers, each with its official definition where there is one."""
    found: dict[str, list[OperationHandler]] = {}
    for handler in handlers:
        definition = next((o for o in definitions.operations if _defines(o, handler)), None)
        found.setdefault(handler.code, []).append(handler._replace(definition=definition))
    return found


def _defines(operation: Operation, handler: OperationHandler) -> bool:
    for_any = not handler.types or not operation.resources or "Resource" in operation.resources
    return operation.code == handler.code and (for_any or not set(handler.types).isdisjoint(operation.resources))

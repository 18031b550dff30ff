"""R4 as tables, compiled from the official definitions by `compile.py` and loaded once a process by `load()`."""

from fhir_server.definitions.tables import (
    Binding,
    CompartmentDefinition,
    Component,
    Definitions,
    Element,
    Invariant,
    Operation,
    OperationParameter,
    SearchParameter,
    TypeDefinition,
    TypeReference,
    load,
)

__all__ = [
    "Binding", "CompartmentDefinition", "Component", "Definitions", "Element", "Invariant", "Operation",
    "OperationParameter", "SearchParameter", "TypeDefinition", "TypeReference", "load",
]  # fmt: skip

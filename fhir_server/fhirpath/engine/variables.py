"""%name: what the specification and FHIR define, then what the environment gives.

https://hl7.org/fhirpath/#environment-variables and https://hl7.org/fhir/R4/fhirpath.html#variables
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.items import Item, Node, resource_node
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.quantity import Quantity
from fhir_server.fhirpath.temporal import Temporal

CONSTANTS = {
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "ucum": "http://unitsofmeasure.org",
}
# name with this prefix -> the URL of a value set or an extension of HL7
PREFIXES = {
    "vs-": "http://hl7.org/fhir/ValueSet/",
    "ext-": "http://hl7.org/fhir/StructureDefinition/",
}
RESERVED = frozenset({*CONSTANTS, "context", "resource", "rootResource"})


def variable(model: Model, frame: Frame, name: str, position: int) -> list[Item]:
    """The value of %name. FhirPathError, kind semantic, for a name that nobody defined."""
    shared = frame.shared
    if name == "context":
        return shared.context
    if name == "resource":
        return [shared.resource] if shared.resource is not None else []
    if name == "rootResource":
        root = shared.container or shared.resource
        return [root] if root is not None else []
    if name in CONSTANTS:
        return [CONSTANTS[name]]
    variables = shared.environment.variables
    if name in variables:
        given = variables[name]
        values = given if isinstance(given, list) else [given]
        return [_item(model, value, name) for value in values if value is not None]
    for prefix, url in PREFIXES.items():
        if name.startswith(prefix):
            return [url + name[len(prefix) :]]
    raise FhirPathError("semantic", f"There is no variable `%{name}` here", position)


def _item(model: Model, value: Any, name: str) -> Item:
    type_name = ""
    if isinstance(value, tuple) and not isinstance(value, (Temporal, Quantity)) and len(value) == 2:
        type_name, value = value
    if isinstance(value, (bool, int, Decimal, str, Temporal, Quantity, Node)) and not type_name:
        return value
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, dict) and "resourceType" in value:
        return resource_node(value, f"%{name}")
    if model.is_type(type_name):
        return Node(type_name, value, name=f"%{name}")
    raise FhirPathError(
        "execution", f"Give `%{name}` as a resource, a plain value, or a pair of its FHIR type and its JSON"
    )

"""FHIRPath (https://hl7.org/fhirpath/N1/ and https://hl7.org/fhir/R4/fhirpath.html) compiled to Python functions.

    path = compile_path("Patient.name.given", definitions, "Patient")
    path.values(patient)    # [("string", "Ann"), ("string", "Maria")]
    path.is_true(patient)   # whether an invariant holds

compile_path(expression, definitions, context_type="", *, strict=False) -> Path
    context_type: the type of the item that the expression is evaluated on, a key of definitions.types ("Patient",
    "HumanName", "Patient.contact"). Without it the resource's own type counts. Paths are kept, so calling this
    again is cheap; still, hold on to the Path where it is hot. Nothing is compiled before the first evaluation.
    strict: the letter of the specification where R4's own expressions are laxer: `as` on several items is an error,
    Boolean is System.Boolean only. Leave it off for search parameters and invariants.

Path.values(item, root=None, environment=None) -> list[(type name, value)]
    The FHIR type of each result ("Quantity", "code", "Observation.component", "boolean" for what is computed) and the
    plain JSON value. Elements without a value, that have extensions only, are left out. For paths that the definitions
    settle this is straight generated code: no objects but the list. root: %resource, by default the item.

Path.is_true(item, root=None, environment=None) -> bool
    Whether the result is true, or a single item that is no boolean. An empty result is not true.

Path.is_violated(item, root=None, environment=None) -> bool
    Whether an invariant is broken: the result is false. An empty result breaks none: it says that nothing is known, as
    of a Period from 2020 to 2020-01-05; and R4's own ref-1 is empty for a Reference without `reference`, bdl-8 for an
    entry without `fullUrl`. Invariants of elements: compile with the element's type ("HumanName", "Patient.contact",
    "string") and pass the resource as root; where that is contained in another, Environment(container=...).

Path.evaluate(item, root=None, environment=None) -> list[Result]
    Every item with its type, value and place (Patient.name[0].given[1]): $fhirpath.

Path.result_types, Path.warnings
    The types that results can have, where known; what is always empty since R4 has no such element (where strict, and
    in expressions that users send, use strict=True, these are errors).

PathsBuilder puts many paths into one function, where loops over the same array are shared; add() takes a path and the
lines to run for each of its values, lines() a path relative to such a value (the components of a composite parameter).
Search extraction should use it: see its docstring for an example.

All raise FhirPathError: at compile_path of kind syntax or semantic, later of kind execution or limit.
"""

from fhir_server.fhirpath.engine.evaluate import Result
from fhir_server.fhirpath.environment import Environment, Terminology
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.generate.builder import PathsBuilder
from fhir_server.fhirpath.path import Path, compile_path

__all__ = ["Environment", "FhirPathError", "Path", "PathsBuilder", "Result", "Terminology", "compile_path"]

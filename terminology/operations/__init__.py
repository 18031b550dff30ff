"""The terminology operations as functions of Parameters resources, one file each.

operations(service)     (resource type, code) -> function(parameters, instance or None) -> resource
parameter_names(key)    the in-parameters that an operation takes
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from fhir_server import definitions
from terminology.operations import batch, capabilities, closure, expand, find_matches, lookup, subsumes, translate
from terminology.operations import validate_code as validate
from terminology.operations.arguments import Arguments
from terminology.operations.view import COMMON, IGNORED
from terminology.service import Terminology

Json = dict[str, Any]
Key = tuple[str, str]  # resource type, operation code
Operation = Callable[[Json, Json | None], Json]
Function = Callable[[Terminology, Arguments, Json | None], Json]

FUNCTIONS: dict[Key, Function] = {
    ("CodeSystem", "lookup"): lookup.lookup,
    ("CodeSystem", "validate-code"): validate.validate_in_code_system,
    ("CodeSystem", "subsumes"): subsumes.subsumes,
    ("CodeSystem", "find-matches"): find_matches.find_matches,
    ("ValueSet", "expand"): expand.expand_value_set,
    ("ValueSet", "validate-code"): validate.validate_in_value_set,
    ("ConceptMap", "translate"): translate.translate_code,
    ("ConceptMap", "closure"): closure.closure,
}
# What operations take beside the parameters that R4 gives them.
EXTRA: dict[Key, tuple[str, ...]] = {
    ("CodeSystem", "validate-code"): ("lenient-display-validation",),
    ("ValueSet", "validate-code"): ("lenient-display-validation", "activeOnly", "inferSystem"),
    ("ValueSet", "expand"): ("property",),
}
BATCHES: tuple[Key, ...] = (("CodeSystem", "validate-code"), ("ValueSet", "validate-code"))


@functools.cache
def parameter_names(key: Key) -> tuple[str, ...]:
    """The names of an operation's in-parameters: R4's, and those that all terminology operations take."""
    type, code = key
    r4 = next(o for o in definitions.load().operations if o.code == code and type in o.resources)
    own = (parameter.name for parameter in r4.parameters if parameter.use == "in")
    return tuple(dict.fromkeys([*own, *EXTRA.get(key, ()), *COMMON, *IGNORED]))


def operations(service: Terminology) -> dict[Key, Operation]:
    """All operations on a service; each takes a Parameters resource, and the resource that it is called on or None.

    $closure is called at the system; CodeSystem/$lookup on the type; the others on the type or an instance. GET's
    parameters are a Parameters resource of valueString. Each raises FhirError for what is wrong with the call.
    """
    found = {key: _operation(service, key, function) for key, function in FUNCTIONS.items()}
    for type, code in BATCHES:
        found[type, f"batch-{code}"] = functools.partial(batch.batch, found[type, code])
    return found


def _operation(service: Terminology, key: Key, function: Function) -> Operation:
    names = frozenset(parameter_names(key))
    return lambda parameters, instance=None: function(service, Arguments(parameters, names), instance)


def terminology_capabilities(service: Terminology, url: str = "") -> Json:
    """The TerminologyCapabilities resource of /metadata?mode=terminology."""
    return capabilities.capabilities(service, parameter_names(("ValueSet", "expand")), url)

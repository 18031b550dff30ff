"""_contained: contained resources, found as what contains them (https://hl7.org/fhir/R4/search.html#contained).

What is asked of a Medication is asked of the values that contained Medications gave to their containers:

    code = x    ->  the container has a contained Medication, and #Medication.code = x

Criteria are matched over all contained resources of the type together: two of them may meet one criterion each.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_server.core.errors import error
from fhir_server.core.query import All, Any, Clause, Has, IdIn, Missing, Not, TokenIn, TypeIn
from fhir_server.search.contained import contained_field, presence_field
from fhir_server.search.parse.draft import Draft


def search_containers(draft: Draft) -> None:
    """Turns a draft about a type into one about what contains resources of that type ("true"), or either ("both")."""
    if draft.contained == "false":
        return
    if not draft.context.contained:
        raise error("unsupported-parameter", "Contained resources are not indexed here; use _contained=false.")
    if len(draft.types) != 1:
        raise error("value", "_contained needs the type of what is contained: search in a type, not across types.")
    if draft.contained_type == "contained":
        raise error(
            "unsupported-parameter", "What is contained is shown with its container; use _containedType=container."
        )
    if draft.includes:
        raise error("value", f"_contained={draft.contained} can't be combined with _include or _revinclude.")
    (type_name,) = draft.types
    definitions = draft.context.definitions
    plain = All((TypeIn((type_name,)), *draft.clauses))
    within = All(
        (Missing((presence_field(type_name),), False), *(of_container(clause, type_name) for clause in draft.clauses))
    )
    containers = tuple(name for name in definitions.resource_types if "contained" in definitions.properties(name))
    if draft.contained == "true":
        draft.clauses = [within]
        draft.sort = tuple(replace(key, fields=_prefixed(key.fields, type_name)) for key in draft.sort)
    else:
        draft.clauses = [Any((plain, within))]
    draft.types = tuple(dict.fromkeys((*containers, type_name)))


def of_container(clause: Clause, type_name: str) -> Clause:
    """The clause about a resource of this type as one about what contains such a resource."""
    if isinstance(clause, (All, Any)):
        return type(clause)(tuple(of_container(inner, type_name) for inner in clause.clauses))
    if isinstance(clause, Not):
        return Not(of_container(clause.clause, type_name))
    if isinstance(clause, IdIn):
        return TokenIn((presence_field(type_name),), tuple(("", id_) for id_ in clause.ids))
    fields = getattr(clause, "fields", None)
    if fields is None or isinstance(clause, Has):
        raise error(
            "value",
            "Contained resources can be asked for their own elements only, not _lastUpdated, _list, _text, _has.",
        )
    return replace(clause, fields=_prefixed(fields, type_name))


def _prefixed(fields: tuple[str, ...], type_name: str) -> tuple[str, ...]:
    return tuple(contained_field(type_name, field) for field in fields)

"""FHIR's functions on codes: memberOf, subsumes, subsumedBy (https://hl7.org/fhir/R4/fhirpath.html#functions)."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.fhirpath.engine.conversion import only, single
from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.functions.function import Function
from fhir_server.fhirpath.engine.items import Item, Node, describe, system_value
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model

Items = list[Item]
Coding = tuple[str, str]


def _codings(model: Model, item: Item, what: str) -> Iterator[Coding]:
    """(system, code) of a code, Coding or CodeableConcept; system "" for a bare code."""
    if isinstance(item, Node) and item.type == "CodeableConcept":
        for coding in item.value.get("coding", ()):
            yield coding.get("system", ""), coding.get("code", "")
        return
    if isinstance(item, Node) and model.is_subtype(item.type, "Coding"):
        yield item.value.get("system", ""), item.value.get("code", "")
        return
    value = system_value(model, item)
    if not isinstance(value, str):
        raise FhirPathError("execution", f"{what} does not apply to {describe([item])}")
    yield "", value


def _member_of(model: Model, frame: Frame, items: Items, value_set: Items) -> Items:
    item = only(items, "memberOf()")
    url = single(model, value_set, "String", "memberOf()")
    if item is None or url is None:
        return []
    answers = [_is_member(model, frame, url, *coding) for coding in _codings(model, item, "memberOf()")]
    if True in answers:
        return [True]
    return [] if None in answers else [False]


def _is_member(model: Model, frame: Frame, url: str, system: str, code: str) -> bool | None:
    listed = model.required_codes(url)
    if listed is not None:
        return any(code in codes for name, codes in listed.items() if system in ("", name))
    terminology = frame.shared.environment.terminology
    return terminology.member_of(url, system, code) if terminology is not None else None


def _subsumption(name: str, *, reverse: bool) -> Function:
    def run(model: Model, frame: Frame, items: Items, others: Items) -> Items:
        item, other = only(items, f"{name}()"), only(others, f"{name}()")
        if item is None or other is None:
            return []
        left, right = list(_codings(model, item, f"{name}()")), list(_codings(model, other, f"{name}()"))
        if reverse:
            left, right = right, left
        answers = [_subsumes(frame, a, b) for a in left for b in right]
        if True in answers:
            return [True]
        return [] if None in answers else [False]

    return Function(run, 1, 1)


def _subsumes(frame: Frame, parent: Coding, child: Coding) -> bool | None:
    if parent == child:
        return True
    if parent[0] != child[0]:
        return False
    terminology = frame.shared.environment.terminology
    return terminology.subsumes(parent[0], parent[1], child[1]) if terminology is not None else None


FUNCTIONS = {
    "memberOf": Function(_member_of, 1, 1),
    "subsumes": _subsumption("subsumes", reverse=False),
    "subsumedBy": _subsumption("subsumedBy", reverse=True),
}

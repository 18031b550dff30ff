"""What Consents deny, as clauses of the typed query (https://hl7.org/fhir/R4/consent.html)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fhir_server.codec.references import parse_reference
from fhir_server.core.query import EVERYTHING, NOTHING, All, Any, Clause, DateIs, Has, IdIn, Missing, Not, TokenIn
from fhir_server.interactions.environment import Searching
from fhir_server.security.consents import Denied

CARE_DATE = "date"  # the parameter that R4 gives most clinical types for when care took place


def refused(
    refusals: Sequence[Denied], type: str, of_patient: Callable[[str, str], Clause | None], searching: Searching
) -> Iterator[Clause]:
    """What holds for resources of a type that no refusal is about; of_patient: what of a type is a patient's."""
    for refusal in refusals:
        whose = of_patient(type, refusal.patient)
        about = type not in refusal.spared and (not refusal.types or type in refusal.types)
        if whose is None or whose == NOTHING or not about:
            continue
        labels = [TokenIn(("_security",), refusal.labels)] if refusal.labels else []
        yield Not(All((whose, *labels, *_covered(refusal, type, searching), *_data(refusal, type, searching))))


def _covered(refusal: Denied, type: str, searching: Searching) -> Iterator[Clause]:
    """dataPeriod: what took place in it, and what does not say when."""
    dated = searching.fields.of(type).parameters.get(CARE_DATE)
    if refusal.covered is not None and dated is not None:
        yield Any((DateIs(dated.fields, "ap", *refusal.covered), Missing(dated.fields, True)))


def _data(refusal: Denied, type: str, searching: Searching) -> Iterator[Clause]:
    """data: the resources that a provision names, by what is meant with them."""
    if refusal.data:
        yield Any(tuple(_meant(meaning, text, type, searching) for meaning, text in refusal.data))


def _meant(meaning: str, text: str, type: str, searching: Searching) -> Clause:
    """https://hl7.org/fhir/R4/valueset-consent-data-meaning.html; everything for what can't be understood."""
    local = parse_reference(text)
    if local is None:
        return EVERYTHING
    target = (local.type, local.id)
    itself = IdIn((local.id,)) if type == local.type else NOTHING
    naming = searching.about(type, target) or NOTHING
    if meaning == "instance":
        return itself
    if meaning == "dependents":
        return Any((itself, naming))
    if meaning == "authoredby":
        return naming
    if meaning == "related" and searching.definitions.is_resource(local.type):
        parameters = searching.fields.of(local.type).parameters.values()
        fields = {field: None for each in parameters if each.targets for field in each.fields}
        return Any((itself, Has(local.type, tuple(fields), IdIn((local.id,)))))
    return EVERYTHING

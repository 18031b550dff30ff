"""The texts of a concept: the display in the language that is asked for, and which others are right."""

from __future__ import annotations

from collections.abc import Iterable

from terminology.catalog import Catalog, CodeSystem
from terminology.model import Concept, Designation, Details

# Code systems whose names here are not their own: of countries CLDR's ("UK"), while ISO's are not free
NAMED_BY_OTHERS = frozenset({"urn:iso:std:iso:3166"})
_SYNONYM = "900000000000013009"  # SNOMED CT's use for what is not the name to show


def wanted(language: str) -> list[str]:
    """The languages of a displayLanguage, which may be an Accept-Language list, the best first."""
    weighted = []
    for place, part in enumerate(language.split(",")):
        tag, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=")) if quality else 1.0
        except ValueError:
            weight = 0.0
        if tag and tag != "*" and weight > 0:
            weighted.append((-weight, place, tag.lower()))
    return [tag for _, _, tag in sorted(weighted)]


def speaks(tag: str, language: str) -> bool:
    """Whether a text in this language serves who asks for the tag: de-CH serves de, and de serves de-CH."""
    found = language.lower()
    return found == tag or found.startswith(f"{tag}-") or tag.startswith(f"{found}-")


def all_designations(catalog: Catalog, system: CodeSystem, concept: Concept) -> list[Designation]:
    """Those of the code system and of its supplements."""
    found = list(system.designations(concept))
    for supplement in catalog.supplements(system.info.url):
        if (other := supplement.find(concept.code)) is not None:
            found += supplement.designations(other)
    return found


def all_details(catalog: Catalog, system: CodeSystem, concept: Concept) -> list[Details]:
    """What the code system knows of a concept, and then what its supplements add."""
    found = [system.details(concept)]
    for supplement in catalog.supplements(system.info.url):
        if (other := supplement.find(concept.code)) is not None:
            found.append(supplement.details(other))
    return found


def display(language: str, default: str, own_language: str, designations: Iterable[Designation]) -> str:
    """The best text: in the language asked for where there is one, else the default."""
    if not language:
        return default
    available = list(designations)
    for tag in wanted(language):
        exact = [d for d in available if d.language.lower() == tag]
        near = [d for d in available if d.language and speaks(tag, d.language)]
        if own_language and speaks(tag, own_language) and not exact:
            return default
        for designation in sorted(exact or near, key=lambda d: d.use.get("code") == _SYNONYM):
            return designation.value
    return default


def is_right(given: str, texts: Iterable[str]) -> bool:
    """Whether a display is one of these texts but for case and spaces, or there is none to compare it with."""
    right = {_plain(text) for text in texts if text}
    return not right or _plain(given) in right


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())

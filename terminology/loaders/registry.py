"""The loaders by name."""

from __future__ import annotations

from terminology.loaders import (
    countries,
    currencies,
    cvx,
    delimited,
    fhir,
    icd10cm,
    language_tags,
    loinc,
    media_types,
    mvx,
    ndc,
    rxnorm,
    snomed,
)
from terminology.loaders.loader import Loader

LOADERS: dict[str, Loader] = {
    module.LOADER.name: module.LOADER
    for module in (
        snomed, loinc, icd10cm, rxnorm, cvx, mvx, ndc, fhir, delimited, language_tags, media_types, currencies,
        countries,
    )
}  # fmt: skip

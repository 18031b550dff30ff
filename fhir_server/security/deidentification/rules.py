"""Rules of de-identification: types of elements, FHIRPath on them, and what is done with what that reaches."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec

from fhir_server.core.errors import error
from fhir_server.fhirpath import FhirPathError
from fhir_server.fhirpath.parser import parse

Action = Literal["remove", "keep", "shift", "birth", "pseudonym", "reference", "zip", "over-89"]


class DeidentifyRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See safe_harbor.toml."""

    on: tuple[str, ...]
    action: Action
    fhirpath: tuple[str, ...] = ("$this",)


class DeidentifyRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    rule: tuple[DeidentifyRule, ...]


def load(path: str = "") -> tuple[DeidentifyRule, ...]:
    """The rules of a file, Safe Harbor for ""; FhirError "value" that says what is wrong."""
    try:
        shipped = resources.files("fhir_server.security.deidentification").joinpath("safe_harbor.toml")
        text = Path(path).read_text("utf-8") if path else shipped.read_text("utf-8")
        found = msgspec.convert(tomllib.loads(text), DeidentifyRules).rule
        for rule in found:
            for expression in rule.fhirpath:
                parse(expression)
    except (OSError, ValueError, FhirPathError) as problem:
        raise error("value", f"The rules of de-identification in {path} can't be used: {problem}.") from problem
    return found

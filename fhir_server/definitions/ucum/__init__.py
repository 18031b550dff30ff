"""UCUM, the Unified Code for Units of Measure, as a grammar: valid codes, canonical forms, conversion, arithmetic.

Codes are the case-sensitive ones (http://unitsofmeasure.org). Specification: https://ucum.org/ucum
"""

from fhir_server.definitions.ucum.arithmetic import canonical, comparable, convert, divide, is_valid, multiply
from fhir_server.definitions.ucum.converter import SYSTEM, UcumConverter
from fhir_server.definitions.ucum.display import describe
from fhir_server.definitions.ucum.essence import load
from fhir_server.definitions.ucum.grammar import InvalidUnit, Unit, parse

__all__ = [
    "SYSTEM", "InvalidUnit", "UcumConverter", "Unit", "canonical", "comparable", "convert", "describe", "divide",
    "is_valid", "load", "multiply", "parse",
]  # fmt: skip

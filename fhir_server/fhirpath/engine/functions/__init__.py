"""FHIRPath's functions by name, from one module for each section of the specification."""

from fhir_server.fhirpath.engine.functions import (
    converting,
    dates,
    existence,
    fhir,
    filtering,
    mathematics,
    subsetting,
    terminology,
    text,
    utility,
)
from fhir_server.fhirpath.engine.functions.function import Function

FUNCTIONS: dict[str, Function] = {
    **existence.FUNCTIONS,
    **filtering.FUNCTIONS,
    **subsetting.FUNCTIONS,
    **converting.FUNCTIONS,
    **text.FUNCTIONS,
    **mathematics.FUNCTIONS,
    **utility.FUNCTIONS,
    **dates.FUNCTIONS,
    **fhir.FUNCTIONS,
    **terminology.FUNCTIONS,
}

__all__ = ["FUNCTIONS", "Function"]

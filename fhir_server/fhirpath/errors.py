"""The one exception of this package: an expression that can't be read, typed or evaluated."""

from __future__ import annotations

from fhir_server.core.errors import CATEGORIES, FhirError, Issue

# kind -> category of the server's error table
_CATEGORIES = {
    "syntax": "value",  # the text is not FHIRPath
    "semantic": "value",  # it is, but it names what R4 does not have, or applies a function to a wrong type
    "execution": "unprocessable",  # it failed on this resource: several items where one is needed
    "limit": "too-costly",  # it took more steps or time than allowed
}


class FhirPathError(FhirError):
    """An expression failed.

    kind: syntax | semantic | execution | limit; expression: the FHIRPath text, "" where not known yet;
    position: offset of the fault in it, -1 where none can be named.
    """

    def __init__(self, kind: str, message: str, position: int = -1, expression: str = "") -> None:
        category = _CATEGORIES[kind]
        super().__init__(category, [Issue("error", CATEGORIES[category].code, message)])
        self.kind = kind
        self.message = message
        self.position = position
        self.expression = expression

    def located(self, expression: str) -> FhirPathError:
        """The same error, with the expression and the place in it said in its message."""
        if self.expression:
            return self
        place = f" at character {self.position + 1}" if self.position >= 0 else ""
        shown = expression if len(expression) <= 300 else expression[:300] + "…"
        return FhirPathError(self.kind, f"{self.message} (FHIRPath `{shown}`{place})", self.position, expression)

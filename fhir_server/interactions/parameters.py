"""What a URL may say of any interaction, and the refusal of the rest (https://hl7.org/fhir/R4/http.html#parameters)."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.interactions.request import Request

GENERAL = ("_format", "_pretty", "_summary", "_elements")


def require_general(request: Request, *more: str) -> None:
    """Refuses a parameter that is none of GENERAL or more, unless handling is lenient."""
    if not request.query or request.lenient:
        return
    known = (*more, *GENERAL)
    for name, _ in request.query:
        if name not in known:
            raise error(
                "unsupported-parameter",
                f"'{name[:80]}' is no parameter of this request; it takes {', '.join(known)}.",
                location=name[:80],
            )


def criteria_of(request: Request) -> list[tuple[str, str]]:
    """The parameters that are criteria: all but the general ones."""
    return [(name, value) for name, value in request.query if name not in GENERAL]

"""What an interaction takes of a caller before anything is looked up."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.ports import Caller


def require(caller: Caller, interaction: str, type: str) -> None:
    """FhirError "forbidden" where no scope has an interaction (one of cruds) on a type."""
    if caller.may is not None and not caller.may(interaction, type):
        raise error(
            "forbidden",
            f"The token has no scope for this: it takes one such as user/{type}.{interaction}.",
            headers={"WWW-Authenticate": 'Bearer realm="fhir", error="insufficient_scope"'},
        )


def require_all(caller: Caller, interaction: str, type: str) -> None:
    """FhirError "forbidden" for who may not do a writing interaction, c, u or d, on every resource of a type."""
    require(caller, interaction, type)
    if caller.writing is not None and caller.writing(interaction, type, False) is not None:
        raise error("forbidden", f"This takes a token that may change every {type}.")


def require_any(caller: Caller, interactions: str, type: str) -> None:
    """The same where one of several interactions is enough."""
    if caller.may is not None and not any(caller.may(each, type) for each in interactions):
        require(caller, interactions[0], type)

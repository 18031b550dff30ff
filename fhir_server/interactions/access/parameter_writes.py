"""Who may change the search parameters in force, as compartments, scopes, policies and Consents are searches by them.

Whoever puts another parameter in the place of `patient` or `gender` decides who sees what. So a caller from whom
anything is kept adds SearchParameters with codes and URLs of their own, and changes none that is in force; and nobody
puts one in the place of those that the policies need.
"""

from __future__ import annotations

from typing import Any

from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Write
from fhir_server.interactions.access.policy_parameters import TYPE, URL
from fhir_server.interactions.environment import Searching

WAY = "It takes somebody from whom nothing is kept, or with a role of administration."


class ParameterWrites:
    """Of one caller. own: the codes of those that the policies need; narrowed: something is kept from the caller."""

    def __init__(self, searching: Searching, own: tuple[str, ...], *, narrowed: bool) -> None:
        self._searching = searching
        self._own = own
        self._narrowed = narrowed

    def require(self, write: Write, head: StoredVersion | None) -> None:
        """FhirError "forbidden" for a SearchParameter that is not the caller's to write; head: what it was before."""
        sent = decode(write.body) if write.body else {}
        if sent.get("code") in self._own or str(sent.get("url", "")).startswith(URL):
            raise error("forbidden", f"The policies have {sent.get('code')}; give the {TYPE} another code and url.")
        if not self._narrowed:
            return
        if head is not None and head.body and _counts(decode(head.body)):
            raise error("forbidden", f"{TYPE}/{write.id} is in force, and who sees what may depend on it. {WAY}")
        if _counts(sent) and self._takes_a_place(sent):
            raise error(
                "forbidden",
                f"There is a search parameter with this code or url already, and who sees what may depend on it: "
                f"choose others, or have it put in its place by others. {WAY}",
                expression=f"{TYPE}.code",
            )

    def _takes_a_place(self, sent: dict[str, Any]) -> bool:
        if self._searching.definitions.search_parameter(sent.get("url", "")) is not None:
            return True
        bases = set(sent.get("base", ()))
        types = self._searching.definitions.resource_types
        concerned = types if bases & {"Resource", "DomainResource"} else [type for type in types if type in bases]
        return any(sent.get("code") in self._searching.fields.of(type).parameters for type in concerned)


def _counts(resource: dict[str, Any]) -> bool:
    """Whether it is in force."""
    return resource.get("status") == "active" and bool(resource.get("expression"))

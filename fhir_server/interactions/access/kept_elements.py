"""What nobody changes within a patient's context: elements by which the house knows its patients.

HL7 v2 messages are filed by a patient's identifiers, and merged records by its links: what a patient, or an app of the
patient, wrote there would bring another's record in, or lead the own one away. Which elements these are is said by the
policies (kept_from_patients).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Write
from fhir_server.definitions import Definitions
from fhir_server.security.policies import Policies


def require_elements(policies: Policies, definitions: Definitions) -> None:
    """FhirError "value" for a type or an element that R4 does not have."""
    for type, names in policies.kept_from_patients.items():
        if not definitions.is_resource(type):
            raise error("value", f"kept_from_patients names '{type[:80]}', which is no resource type.")
        wrong = {*names} - {element.name for element in definitions.types[type].elements}
        if wrong:
            raise error("value", f"kept_from_patients: {type} has no element '{min(wrong)[:80]}'.")


class KeptElements:
    """Of one caller. elements: by type; within: whether an interaction (c, u, d) on a type stays within a patient."""

    def __init__(
        self, elements: Mapping[str, tuple[str, ...]], definitions: Definitions, within: Callable[[str, str], bool]
    ) -> None:
        self._elements = elements
        self._definitions = definitions
        self._within = within

    def require(self, interaction: str, write: Write, head: StoredVersion | None) -> None:
        """FhirError "forbidden" for a write that changes what is kept; head: the newest version before it."""
        kept = self._elements.get(write.type)
        if not kept or not self._within(interaction, write.type):
            return
        if interaction == "d":
            raise error("forbidden", f"A {write.type} is not deleted within a patient's context.")
        stored: dict[str, Any] = decode(head.body) if head is not None and head.body else {}
        sent = decode(write.body)
        properties = self._definitions.properties(write.type)
        for name in {**sent, **stored}:
            property = name.removeprefix("_")
            known = properties.get(property)
            if known is not None and known.element.name in kept and sent.get(name) != stored.get(name):
                raise error(
                    "forbidden",
                    f"{property} is not changed within a patient's context: leave it as it is stored, or have it "
                    "changed by whoever keeps the patients' records.",
                    expression=f"{write.type}.{property}",
                )

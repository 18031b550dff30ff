"""What of apps' state the policies give to a client with a user and a patient.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-state.html#security-and-access-controls
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlencode

from fhir_server.core.query import NOTHING, All, Any, Clause
from fhir_server.interactions.access.scoped import criteria_of
from fhir_server.interactions.app_state import TYPE, StateOf
from fhir_server.interactions.environment import Environment
from fhir_server.security.policies import NO_STATE, Policies
from fhir_server.security.scopes import Scope


async def state_of(environment: Environment, policies: Policies, client: str, fhir_user: str, patient: str) -> StateOf:
    """What of it is a client's with a user and a patient."""
    codes = policies.state_codes
    if not codes:
        return StateOf()
    own = policies.app_state.get(client, NO_STATE)
    subjects = [fhir_user] * bool(fhir_user) + [f"Patient/{patient}"] * bool(patient)
    about = [await _with(environment, "subject", [each]) for each in subjects]
    nobodys = await _with(environment, "subject:missing", ["true"])
    modified = Any((*about, nobodys)) if own.globally else Any(tuple(about))
    return StateOf(
        codes,
        await _with(environment, "code", codes),
        All((await _with(environment, "code", own.codes), Any((*about, nobodys)))),
        All((await _with(environment, "code", own.modify), modified)),
    )


async def _with(environment: Environment, parameter: str, values: Collection[str]) -> Clause:
    """Basic resources with one of these values."""
    escaped = [re.sub(r"([\\,$])", r"\\\1", value) for value in sorted(values)]
    criteria = urlencode([(parameter, ",".join(escaped))])
    return (await criteria_of(environment, Scope("user", TYPE, "", criteria)))[TYPE] if values else NOTHING

"""From what a token says to a Caller: SMART scopes as clauses of the typed query.

A scope lets a caller do its interactions on a type within its context: of the launched patient, of what the user may
see, or everywhere; and within its search criteria. Several scopes add up. What no scope has is not there.
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

from fhir_server.core.errors import FhirError, error
from fhir_server.core.ports import Caller
from fhir_server.core.query import NOTHING, All, Any, Clause, IdIn
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.request import Request
from fhir_server.security.model import Access, User
from fhir_server.security.scopes import Scope, resource_scopes

# May hold anything about anybody, and no search parameter tells whom: never within a patient's context.
OPAQUE = frozenset({"Binary", "Bundle", "Linkage", "MessageHeader", "Parameters", "Subscription"})
EVERYTHING = (Scope("user", "*", "cruds"),)


class Callers:
    """Makes Callers for one environment, and keeps those of the tokens that were shown last."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._kept: dict[tuple[Access, int], Caller] = {}

    async def of_access(self, access: Access) -> Caller:
        """The caller that a token stands for; FhirError "forbidden" where its scopes can't be understood."""
        key = (access, id(self._environment.searching))
        caller = self._kept.get(key)
        if caller is None:
            if len(self._kept) > 1000:
                self._kept.clear()
            scopes = [s for s in resource_scopes(access.scope) if s.context != "patient" or access.patient]
            made = await self._caller(scopes, access.fhir_user, access.patient, access.client, access.user)
            caller = self._kept[key] = made._replace(access=access)
        return caller

    async def of_user(self, user: User) -> Caller:
        """What a user may do at the server's own pages."""
        return await self._caller(EVERYTHING, user.fhir_user, "", "", user.id)

    async def _caller(self, scopes: Sequence[Scope], fhir_user: str, patient: str, client: str, user: str) -> Caller:
        whose = {
            "system": "",
            "patient": patient,
            "user": await self._patient_of(fhir_user),
        }
        criteria = {scope: await self._criteria(scope) for scope in scopes if scope.criteria}
        limits: dict[tuple[str, str], Clause | None] = {}

        def within(interactions: str, type: str) -> Clause | None:
            key = (interactions, type)
            if key not in limits:
                limits[key] = self._limit(interactions, type, scopes, whose, criteria)
            return limits[key]

        def may(interaction: str, type: str) -> bool:
            return any(interaction in scope.interactions and scope.type in ("*", type) for scope in scopes)

        return Caller(
            name=user or client,
            restriction=lambda type: within("s", type),
            reading=lambda type: within("r", type),
            writing=within,
            may=may,
            client=client,
            user=user,
            fhir_user=fhir_user,
        )

    async def _patient_of(self, fhir_user: str) -> str:
        """The patient within whose records a user stays: a patient's own, a related person's; "" for everybody else."""
        kind, _, id = fhir_user.partition("/")
        if kind == "Patient":
            return id
        if kind == "RelatedPerson":
            from fhir_server.codec.json import decode

            version = await self._environment.store.read(kind, id)
            reference = decode(version.body)["patient"].get("reference", "") if version and version.body else ""
            return reference.removeprefix("Patient/") or "-"
        return ""

    def _limit(
        self,
        interactions: str,
        type: str,
        scopes: Sequence[Scope],
        whose: dict[str, str],
        criteria: dict[Scope, dict[str, Clause]],
    ) -> Clause | None:
        clauses: list[Clause] = []
        for scope in scopes:
            if interactions not in scope.interactions or scope.type not in ("*", type):
                continue
            parts: list[Clause] = []
            if whose[scope.context]:
                context = self._of_patient(type, whose[scope.context])
                parts += [context] if context is not None else []
            if scope.criteria:
                parts.append(criteria[scope].get(type, NOTHING))
            if not parts:
                return None
            clauses.append(parts[0] if len(parts) == 1 else All(tuple(parts)))
        return Any(tuple(clauses)) if clauses else NOTHING

    def _of_patient(self, type: str, patient: str) -> Clause | None:
        """What of a type is a patient's; None for types that are nobody's, such as Organization."""
        if type in OPAQUE:
            return NOTHING
        if type == "Patient":
            return IdIn((patient,))
        searching = self._environment.searching
        members = self._environment.definitions.compartments["Patient"].members
        if members.get(type):
            return searching.compartment(type, ("Patient", patient))
        return searching.about(type, ("Patient", patient))

    async def _criteria(self, scope: Scope) -> dict[str, Clause]:
        """The clause of a scope's criteria for each type that it is about and that has such parameters."""
        pairs = parse_qsl(scope.criteria, keep_blank_values=True)
        types = self._environment.definitions.resource_types if scope.type == "*" else (scope.type,)
        found: dict[str, Clause] = {}
        for type in types:
            try:
                query = await self._environment.searching.query(type, Request("GET", (type,), pairs))
            except FhirError as problem:
                if scope.type != "*":
                    raise error("forbidden", f"The scope {scope} can't be understood: {problem}") from None
                continue
            found[type] = query.where
        return found


def require(caller: Caller, interaction: str, type: str) -> None:
    """FhirError "forbidden" where no scope has an interaction (one of cruds) on a type."""
    if caller.may is not None and not caller.may(interaction, type):
        raise error(
            "forbidden",
            f"The token has no scope for this: it takes one such as user/{type}.{interaction}.",
            headers={"WWW-Authenticate": 'Bearer realm="fhir", error="insufficient_scope"'},
        )


def require_any(caller: Caller, interactions: str, type: str) -> None:
    """The same where one of several interactions is enough."""
    if caller.may is not None and not any(caller.may(each, type) for each in interactions):
        require(caller, interactions[0], type)

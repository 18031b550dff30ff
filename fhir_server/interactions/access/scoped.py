"""SMART scopes as clauses of the typed query: what of a type they let a caller do an interaction on.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl

from fhir_server.codec.json import decode
from fhir_server.codec.references import parse_reference
from fhir_server.core.errors import FhirError, error
from fhir_server.core.query import NOTHING, All, Any, Clause, IdIn, RefersTo
from fhir_server.core.values import REFERENCE, SearchValue
from fhir_server.interactions.access.binaries import BINARY
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.request import Request
from fhir_server.interactions.subscribers import TYPE as SUBSCRIPTION
from fhir_server.interactions.subscribers import marked_with
from fhir_server.search.dates import date_range
from fhir_server.search.parse import is_result
from fhir_server.security.scopes import Scope

# May hold anything about anybody, and no search parameter tells whom: never within a patient's context.
OPAQUE = frozenset({
    "BiologicallyDerivedProduct", "Bundle", "EnrollmentResponse", "Linkage", "MessageHeader", "OperationOutcome",
    "Parameters", "PaymentReconciliation", "Subscription",
})  # fmt: skip
BY_UPDATE = "cu"  # a PUT that makes a resource: SMART has it "allowed by the update scope", and it creates
WRITING = ("c", "u", "d", BY_UPDATE)
NOBODY = "-"  # nobody's id
BY_RECORD = ("RelatedPerson", "Person")  # users whose own record says whose records are theirs, for as long as it does
VOCABULARY = re.compile(r":(?:in|not-in|below|above)=|_filter=")  # criteria that a value set or a code system answers


class Scoped:
    """Of one caller. whose: the patients whom a scope's context (system, patient, user) stays within, () for anybody;
    criteria: the clauses of each scope that has some, by type; mark: of the Subscriptions that the caller stores within
    a patient's record (subscribers.py).
    """

    def __init__(
        self,
        environment: Environment,
        scopes: Sequence[Scope],
        whose: dict[str, tuple[str, ...]],
        criteria: dict[Scope, dict[str, Clause]],
        mark: Callable[[str], str],
    ) -> None:
        self._environment = environment
        self._scopes = scopes
        self._whose = whose
        self._criteria = criteria
        self._mark = mark
        reading = [
            each for each in scopes if each.type in ("*", BINARY) and not {"r", "s"}.isdisjoint(each.interactions)
        ]
        self._patients = {patient for each in reading for patient in whose[each.context]}
        self._within = bool(reading) and all(whose[each.context] for each in reading)

    def may(self, interaction: str, type: str) -> bool:
        """Whether an interaction is possible on a type at all."""
        return any(interaction in scope.interactions and scope.type in ("*", type) for scope in self._scopes)

    @property
    def free(self) -> set[str]:
        """The interactions that are possible on everything."""
        return {
            interaction
            for scope in self._scopes
            if scope.type == "*" and not scope.criteria and not self._whose[scope.context]
            for interaction in scope.interactions
        }

    def limit(self, interaction: str, type: str, shared: bool = False) -> Clause | None:
        """What an interaction, or BY_UPDATE, may be done on of a type; None for all of it.

        shared: of what another patient's record has too, where a scope of one patient's context has no say.
        """
        clauses: list[Clause] = []
        for scope in self._scopes:
            if set(interaction).isdisjoint(scope.interactions) or scope.type not in ("*", type):
                continue
            parts: list[Clause] = []
            if self._whose[scope.context]:
                if shared:
                    continue
                context = self._context(type, self._whose[scope.context])
                if context is None and interaction in WRITING and type != BINARY:
                    continue  # what is nobody's is read with a patient's records, and not changed
                parts += [context] if context is not None else []
            if scope.criteria:
                parts.append(self._criteria[scope].get(type, NOTHING))
            if not parts:
                return None
            clauses.append(parts[0] if len(parts) == 1 else All(tuple(parts)))
        return Any(tuple(clauses)) if clauses else NOTHING

    def within_patient(self, interaction: str, type: str) -> bool:
        """Whether an interaction on a type may be possible for no other reason than that it is the patient's own."""
        having = self._having(interaction, type)
        anywhere = any(not self._whose[each.context] and not each.criteria for each in having)
        return not anywhere and any(self._whose[each.context] for each in having)

    def shares(self, interaction: str, type: str, values: Sequence[SearchValue]) -> bool:
        """Whether a resource with these values is in another patient's record than those that an interaction on its
        type stays within. A Patient is in its own only: what it links to is not read with it."""
        own = {patient for each in self._having(interaction, type) for patient in self._whose[each.context]}
        if not own or type in ("Patient", SUBSCRIPTION):
            return False
        fields = _naming(of_patient(self._environment, type, NOBODY))
        named = {each[3] for each in values if each[0] == REFERENCE and each[1] in fields and each[2] == "Patient"}
        return not named <= own

    def _having(self, interaction: str, type: str) -> list[Scope]:
        return [each for each in self._scopes
                if not set(interaction).isdisjoint(each.interactions) and each.type in ("*", type)]  # fmt: skip

    def _context(self, type: str, patients: Sequence[str]) -> Clause | None:
        if type == BINARY:
            return None if self.belonging else NOTHING
        if type == SUBSCRIPTION:
            return _any([marked_with(self._mark(patient)) for patient in patients])
        found = [of_patient(self._environment, type, patient) for patient in patients]
        return _any([each for each in found if each is not None]) if None not in found else None

    @property
    def mark(self) -> str:
        """What a Subscription has that the caller stores; "" where it may be stored outside of a patient's record."""
        if not any(self.within_patient(interaction, SUBSCRIPTION) for interaction in "cu"):
            return ""
        patients = [patient for each in self._scopes for patient in self._whose[each.context]
                    if each.type in ("*", SUBSCRIPTION) and not {"c", "u"}.isdisjoint(each.interactions)]  # fmt: skip
        return self._mark(min(patients))

    @property
    def belonging(self) -> bool:
        """Whether Binaries are the caller's only where they belong to something of the patient's."""
        return self._within

    def belongs_to(self, type: str) -> Clause:
        """What of a type they must belong to then."""
        return _any([of_patient(self._environment, type, patient) or NOTHING for patient in sorted(self._patients)])


def _any(clauses: Sequence[Clause]) -> Clause:
    return clauses[0] if len(clauses) == 1 else Any(tuple(clauses))


def of_patient(environment: Environment, type: str, patient: str) -> Clause | None:
    """What of a type is a patient's; None for types that are nobody's, such as Organization."""
    if type in OPAQUE or type == BINARY:
        return NOTHING
    if type == "Patient":
        return IdIn((patient,))
    members = environment.definitions.compartments["Patient"].members
    if members.get(type):
        return environment.searching.compartment(type, ("Patient", patient))
    return environment.searching.about(type, ("Patient", patient))


def _naming(clause: Clause | None) -> set[str]:
    """The fields by which resources are a patient's."""
    if isinstance(clause, Any):
        return {field for each in clause.clauses for field in _naming(each)}
    return set(clause.fields) if isinstance(clause, RefersTo) else set()


async def patients_of(environment: Environment, fhir_user: str) -> tuple[str, ...]:
    """The patients within whose records a user stays: a patient's own, a related person's, of a Person all whom it is
    linked to, as its links are of one person (https://hl7.org/fhir/R4/person.html); () for everybody else, and for a
    Person who is a practitioner.

    NOBODY for a related person, or a Person, who is gone, not active, whose period is not now, or who is no patient's.
    """
    kind, _, id = fhir_user.partition("/")
    if kind == "Patient":
        return (id,)
    if kind not in BY_RECORD:
        return ()
    version = await environment.store.read(kind, id)
    person = decode(version.body) if version is not None and version.body else {}
    if not person or not person.get("active", True) or not is_now(person.get("period", {}), environment.clock()):
        return (NOBODY,)
    named = (
        [person.get("patient", {})]
        if kind == "RelatedPerson"
        else [e.get("target", {}) for e in person.get("link", ())]
    )
    base = environment.settings.base_url
    found = [each for one in named if (each := parse_reference(one.get("reference", ""), base)) is not None]
    if any(each.type == "Practitioner" for each in found):
        return ()
    patients = {each.id for each in found if each.type == "Patient"}
    for each in found:
        if each.type == "RelatedPerson":
            patients.update(await patients_of(environment, f"RelatedPerson/{each.id}"))
    return tuple(sorted(patients - {NOBODY})) or (NOBODY,)  # without relations that have ended


def is_now(period: dict[str, str], now: int) -> bool:
    """Whether a Period has a moment."""
    start, end = (date_range(period.get(name, "")) for name in ("start", "end"))
    return (start is None or start[0] <= now) and (end is None or now <= end[1])


async def criteria_of(environment: Environment, scope: Scope) -> dict[str, Clause]:
    """The clause of a scope's criteria for each type that it is about and that has such parameters.

    FhirError "forbidden" where that can't be told, or no type has them.
    """
    pairs = parse_qsl(scope.criteria, keep_blank_values=True)
    types = environment.definitions.resource_types if scope.type == "*" else (scope.type,)
    found: dict[str, Clause] = {}
    for type in types:
        try:
            query = await environment.searching.query(type, Request("GET", (type,), pairs))
            if all(is_result(name) for name, _ in query.used):
                raise error("value", "its criteria say how to answer, and not what may be found.")
        except FhirError as problem:
            if scope.type != "*" or _may_match(problem, scope):
                raise error("forbidden", f"The scope {scope} can't be understood: {problem}") from None
            continue
        found[type] = query.where
    if not found:
        raise error("forbidden", f"The scope {scope} can't be understood: no type can be searched so.")
    return found


def _may_match(problem: FhirError, scope: Scope) -> bool:
    """Whether resources of a type may meet criteria that can't be asked now: by vocabulary that is not here, or by a
    parameter that is being indexed. What the type has no parameter for, or no such value, nothing of it meets."""
    if problem.category == "unsupported-parameter":
        return False
    return problem.category == "unavailable" or VOCABULARY.search(scope.criteria) is not None

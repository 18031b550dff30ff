"""From what a token says to a Caller: SMART scopes as clauses of the typed query.

A scope lets a caller do its interactions on a type within its context: of the launched patient, of what the user may
see, or everywhere; and within its search criteria. Several scopes add up. What no scope has is not there.
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from urllib.parse import parse_qsl, urlencode

from fhir_server.core.errors import FhirError, error
from fhir_server.core.ports import Caller
from fhir_server.core.query import EVERYTHING as EVERYTHING_OF_IT
from fhir_server.core.query import NOTHING, All, Any, Clause, IdIn, Not
from fhir_server.interactions.app_state import TYPE as STATE
from fhir_server.interactions.app_state import StateOf
from fhir_server.interactions.break_glass import BreakGlass
from fhir_server.interactions.consent_follower import ConsentFollower
from fhir_server.interactions.environment import Environment, Searching
from fhir_server.interactions.masks import Hidden, Masks, hidden_by
from fhir_server.interactions.policy_parameters import code_of, store_parameters
from fhir_server.interactions.refusals import refused
from fhir_server.interactions.request import Request
from fhir_server.security.consents import Denied, denied
from fhir_server.security.model import Access, User
from fhir_server.security.policies import BREAK_GLASS, NO_STATE, RESOURCES, Policies, Rule
from fhir_server.security.scopes import INTERACTIONS, Scope, resource_scopes

# May hold anything about anybody, and no search parameter tells whom: never within a patient's context.
OPAQUE = frozenset({"Binary", "Bundle", "Linkage", "MessageHeader", "Parameters", "Subscription"})
WRITING = ("c", "u", "d")
NO_POLICIES = Policies()
CONSENTS_KEPT = 60_000_000  # microseconds after which the periods of Consents are looked at again
EVERYTHING = (Scope("user", "*", "cruds"),)


class Callers:
    """Makes Callers for one environment, and keeps those of the tokens that were shown last."""

    def __init__(
        self,
        environment: Environment,
        policies: Policies | Callable[[], Policies] = NO_POLICIES,
        consents: ConsentFollower | None = None,
        break_glass: BreakGlass | None = None,
    ) -> None:
        self._environment = environment
        self._in_force = policies if callable(policies) else lambda: policies
        self._policies = NO_POLICIES
        self._consents = consents
        self._break_glass = break_glass
        self._kept: dict[tuple[Access, str, tuple[Searching, int, int]], Caller] = {}

    @property
    def keep_app_state(self) -> bool:
        """Whether the policies give app state to any client."""
        return bool(self._in_force().app_state)

    def made_of(self) -> tuple[Policies, Searching, int, int]:
        """What callers are made of as it is now; the numbers change as Consents and what is in their periods do."""
        generation = self._consents.generation if self._consents else 0
        minute = self._environment.clock() // CONSENTS_KEPT if generation else 0
        return self._in_force(), self._environment.searching, generation, minute

    async def of_access(self, access: Access, purpose: str = "", reason: str = "") -> Caller:
        """The caller that a token stands for; purpose: BTG for break-glass, which takes a reason.

        FhirError "forbidden" where its scopes can't be understood, or break-glass is not for it.
        """
        await self._renew()
        if purpose:
            reason = await self._emergency(access, purpose, reason)
        key = (access, purpose, self.made_of()[1:])
        caller = self._kept.get(key)
        if caller is None:
            if len(self._kept) > 1000:
                self._kept.clear()
            scopes = [s for s in resource_scopes(access.scope) if s.context != "patient" or access.patient]
            made = await self._caller(
                scopes, access.fhir_user, access.patient, access.client, access.user, access.roles, purpose
            )
            caller = self._kept[key] = made._replace(access=access)
        return caller._replace(reason=reason) if reason else caller

    async def _renew(self) -> None:
        """Puts changed policies in force."""
        policies = self._in_force()
        if policies is not self._policies:
            await store_parameters(self._environment, policies)
            self._kept.clear()
            self._policies = policies

    async def _emergency(self, access: Access, purpose: str, reason: str) -> str:
        """The reason of the emergency that a caller is in."""
        if purpose != BREAK_GLASS:
            raise error("value", f"X-Purpose can be {BREAK_GLASS} only.", location="header:X-Purpose")
        if not access.user or set(access.roles).isdisjoint(self._policies.break_glass):
            raise error("forbidden", "Break-glass is for users with a role that the policies give it to.")
        if self._break_glass is None:
            raise error("forbidden", "Break-glass is not possible here.")
        return await self._break_glass.require(access, self._policies, reason)

    async def of_user(self, user: User) -> Caller:
        """What a user may do at the server's own pages."""
        await self._renew()
        return await self._caller(EVERYTHING, user.fhir_user, "", "", user.id, user.roles)

    async def _caller(
        self,
        scopes: Sequence[Scope],
        fhir_user: str,
        patient: str,
        client: str,
        user: str,
        roles: tuple[str, ...] = (),
        purpose: str = "",
    ) -> Caller:
        whose = {
            "system": "",
            "patient": patient,
            "user": await self._patient_of(fhir_user),
        }
        criteria = {scope: await self._criteria(scope) for scope in scopes if scope.criteria}
        rules = self._policies.about(roles, user, client, purpose)
        meant = {rule: [await self._meant(rule, text) for text in rule.resources] for rule in rules}
        refusals = [] if self._by_itself(client, user) else self._refusals(fhir_user, purpose, whose["user"])
        by_app = client and any(scope.context != "system" for scope in scopes)
        state = await self._state(client, fhir_user, patient) if by_app else StateOf()
        searching = self._environment.searching
        limits: dict[tuple[str, str], Clause | None] = {}

        def within(interactions: str, type: str) -> Clause | None:
            key = (interactions, type)
            if key not in limits:
                scoped = self._limit(interactions, type, scopes, whose, criteria)
                limits[key] = together(
                    scoped,
                    *ruled(interactions, type),
                    *refused(refusals, type, self._of_patient, searching),
                    state.limit(interactions) if type == STATE else None,
                )
            return limits[key]

        def ruled(interaction: str, type: str) -> Iterator[Clause]:
            """What the policies' permits leave, and what their denials take away."""
            found: dict[str, list[Clause]] = {"permit": [], "deny": []}
            for rule in rules:
                if rule.effect in found and interaction in rule.interactions:
                    found[rule.effect] += [clauses[type] for clauses in meant[rule] if type in clauses]
            if self._policies.permits:
                yield Any(tuple(found["permit"]))
            yield from map(Not, found["deny"])

        def may(interaction: str, type: str) -> bool:
            return any(interaction in scope.interactions and scope.type in ("*", type) for scope in scopes)

        free = {
            interaction
            for scope in scopes
            if scope.type == "*" and not scope.criteria and not whose[scope.context]
            for interaction in scope.interactions
        }
        policies = self._policies

        def administers(interface: str, interactions: str) -> bool:
            return free.issuperset(interactions) and policies.administers(roles, interface)

        caller = Caller(
            name=user or client,
            may=may,
            client=client,
            user=user,
            fhir_user=fhir_user,
            purpose=purpose,
            administers=administers,
            app_state=state.codes,
        )
        if free.issuperset(INTERACTIONS) and not (rules or refusals or policies.permits or state.codes):
            return caller  # everything is the caller's: there is nothing to restrict
        return caller._replace(
            restriction=lambda type: within("s", type),
            reading=lambda type: within("r", type),
            writing=within,
            masks=self._masks(rules, meant),
        )

    async def _state(self, client: str, fhir_user: str, patient: str) -> StateOf:
        """What of apps' state is a client's with a user and a patient."""
        codes = self._policies.state_codes
        if not codes:
            return StateOf()
        own = self._policies.app_state.get(client, NO_STATE)
        subjects = [fhir_user] * bool(fhir_user) + [f"Patient/{patient}"] * bool(patient)
        about = [await self._of_state("subject", [each]) for each in subjects]
        nobodys = await self._of_state("subject:missing", ["true"])
        modified = Any((*about, nobodys)) if own.globally else Any(tuple(about))
        return StateOf(
            codes,
            await self._of_state("code", codes),
            All((await self._of_state("code", own.codes), Any((*about, nobodys)))),
            All((await self._of_state("code", own.modify), modified)),
        )

    async def _of_state(self, parameter: str, values: Collection[str]) -> Clause:
        """Basic resources with one of these values."""
        escaped = [re.sub(r"([\\,$])", r"\\\1", value) for value in sorted(values)]
        criteria = urlencode([(parameter, ",".join(escaped))])
        return (await self._criteria(Scope("user", STATE, "", criteria)))[STATE] if values else NOTHING

    def _masks(self, rules: Sequence[Rule], meant: dict[Rule, list[dict[str, Clause]]]) -> Masks | None:
        by_type: dict[str, list[Hidden]] = {}
        for rule in rules:
            for clauses in meant[rule] if rule.effect == "mask" else ():
                for type, clause in clauses.items():
                    tree = hidden_by(rule, type, self._environment.definitions)
                    if tree:
                        where = None if clause == EVERYTHING_OF_IT else clause
                        by_type.setdefault(type, []).append(Hidden(tree, where))
        return Masks(by_type, self._environment.searching) if by_type else None

    def _by_itself(self, client: str, user: str) -> bool:
        """Whether a client is an interface that acts in nobody's name."""
        return not user and client in self._policies.interfaces

    def _refusals(self, fhir_user: str, purpose: str, own: str) -> list[Denied]:
        """What Consents deny this caller now; not a patient's own record, and nothing in an emergency."""
        if self._consents is None or purpose == BREAK_GLASS:
            return []
        now = self._environment.clock()
        return [
            each
            for patient, provision in self._consents.provisions.values()
            if patient != own
            for each in denied(patient, provision, fhir_user, purpose, now)
        ]

    async def _meant(self, rule: Rule, text: str) -> dict[str, Clause]:
        """The clause of a rule's `Type?criteria` by type, with its expression."""
        found = RESOURCES.match(text)
        assert found is not None
        clauses: dict[str, Clause] = {}
        if found[2]:
            clauses = await self._criteria(Scope("user", found[1], "", found[2]))
        else:
            types = self._environment.definitions.resource_types if found[1] == "*" else (found[1],)
            clauses = dict.fromkeys(types, EVERYTHING_OF_IT)
        return {type: await self._computed(rule, type, clause) for type, clause in clauses.items()}

    async def _computed(self, rule: Rule, type: str, clause: Clause) -> Clause:
        """The clause, where the rule's expression holds too."""
        if not rule.fhirpath:
            return clause
        holding = Scope("user", type, "", f"{code_of(type, rule.fhirpath)}=true")
        try:
            return All((clause, *(await self._criteria(holding)).values()))
        except FhirError:  # not indexed everywhere yet
            return NOTHING if rule.effect == "permit" else clause

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
                if context is None and interactions in WRITING:
                    continue  # what is nobody's is read with a patient's records, and not changed
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


def together(*clauses: Clause | None) -> Clause | None:
    """What all of them allow; None for everything."""
    given = tuple(clause for clause in clauses if clause is not None)
    return None if not given else given[0] if len(given) == 1 else All(given)


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
    if caller.writing is not None and caller.writing(interaction, type) is not None:
        raise error("forbidden", f"This takes a token that may change every {type}.")


def require_any(caller: Caller, interactions: str, type: str) -> None:
    """The same where one of several interactions is enough."""
    if caller.may is not None and not any(caller.may(each, type) for each in interactions):
        require(caller, interactions[0], type)

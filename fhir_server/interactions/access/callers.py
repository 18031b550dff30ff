"""From what a token says to a Caller: SMART scopes as clauses of the typed query.

A scope lets a caller do its interactions on a type within its context: of the launched patient, of what the user may
see, or everywhere; and within its search criteria. Several scopes add up. What no scope has is not there.
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache

import structlog

from fhir_server.core.errors import FhirError, error
from fhir_server.core.ports import Caller
from fhir_server.core.query import EVERYTHING as EVERYTHING_OF_IT
from fhir_server.core.query import NOTHING, All, Clause
from fhir_server.core.repeats import Repeats
from fhir_server.interactions.access.actors import actors_of
from fhir_server.interactions.access.app_state_of import state_of
from fhir_server.interactions.access.break_glass import BreakGlass
from fhir_server.interactions.access.consent_follower import ConsentFollower
from fhir_server.interactions.access.kept_elements import KeptElements
from fhir_server.interactions.access.limits import Limits, Ruling
from fhir_server.interactions.access.masks import Hidden, Masks, hidden_by
from fhir_server.interactions.access.parameter_writes import ParameterWrites
from fhir_server.interactions.access.policy_parameters import code_of, own_ids, store_parameters
from fhir_server.interactions.access.scoped import BY_RECORD, NOBODY, VOCABULARY, Scoped, criteria_of, patients_of
from fhir_server.interactions.app_state import StateOf
from fhir_server.interactions.environment import Environment, Searching
from fhir_server.interactions.subscribers import mark
from fhir_server.security.consents import Denied, denied
from fhir_server.security.model import Access, User
from fhir_server.security.policies import BREAK_GLASS, RESOURCES, Policies, Rule
from fhir_server.security.scopes import INTERACTIONS, Scope, resource_scopes

NO_POLICIES = Policies()
CONSENTS_KEPT = 60_000_000  # microseconds after which the periods of Consents are looked at again
EVERYTHING = (Scope("user", "*", "cruds"),)
MOST_ASKED = 1000  # interactions and types of which a caller's answer is kept
log = structlog.get_logger("policies")


class Callers:
    """Makes Callers for one environment, and keeps those of the tokens that were shown last."""

    def __init__(
        self,
        environment: Environment,
        policies: Policies | Callable[[], Policies] = NO_POLICIES,
        consents: ConsentFollower | None = None,
        break_glass: BreakGlass | None = None,
        good: Callable[[str, str], Awaitable[bool]] | None = None,
    ) -> None:
        self._environment = environment
        self._in_force = policies if callable(policies) else lambda: policies
        self._policies = NO_POLICIES
        self._own: tuple[str, ...] = ()  # the ids of the SearchParameters that these need
        self._consents = consents
        self._break_glass = break_glass
        self._told_already = Repeats()
        self._by_vocabulary = False  # whether any limit asks by value sets or code systems
        self._good = good  # whether neither a token, by its family and jti, nor its family was revoked
        self._kept: dict[tuple[Access, str], Caller] = {}
        self._kept_made_of: tuple[Policies, Searching, int, int, int] | None = None  # what all of these are

    @property
    def keep_app_state(self) -> bool:
        """Whether the policies give app state to any client."""
        return bool(self._in_force().app_state)

    def made_of(self) -> tuple[Policies, Searching, int, int, int]:
        """What callers are made of as it is now; the numbers change as Consents, what is in their periods, and the
        terminology do, where limits ask by that."""
        generation = self._consents.generation if self._consents else 0
        minute = self._environment.clock() // CONSENTS_KEPT if generation else 0
        terminology = self._environment.terminology if self._by_vocabulary else None
        vocabulary = terminology.store.generation() if terminology is not None else 0
        return self._in_force(), self._environment.searching, generation, minute, vocabulary

    async def of_access(self, access: Access, purpose: str = "", reason: str = "") -> Caller:
        """The caller that a token stands for; purpose: BTG for break-glass, which takes a reason.

        FhirError "forbidden" where its scopes can't be understood, or break-glass is not for it.
        """
        await self._renew()
        if purpose:
            reason = await self._emergency(access, purpose, reason)
        self._by_vocabulary = self._by_vocabulary or VOCABULARY.search(access.scope) is not None
        made_of = (self._policies, *self.made_of()[1:])
        if made_of != self._kept_made_of:
            self._kept.clear()
            self._kept_made_of = made_of
        key = (access, purpose)
        caller = self._kept.get(key)
        if caller is None:
            if len(self._kept) > 1000:
                self._kept.clear()
            scopes = [s for s in resource_scopes(access.scope) if s.context != "patient" or access.patient]
            made = await self._caller(
                scopes, access.fhir_user, access.patient, access.client, access.user, access.roles, purpose
            )
            caller = made._replace(access=access)
            if lasts(access) and made_of == self._kept_made_of:
                self._kept[key] = caller
        return caller._replace(reason=reason) if reason else caller

    async def renewed(self, caller: Caller) -> Caller:
        """Who has asked a while ago, as of now; FhirError where the token does not count any more, or the emergency."""
        access: Access | None = caller.access
        if access is None:
            return caller
        revoked = access.family and self._good is not None and not await self._good(access.family, access.jti)
        if revoked or 0 < access.expires <= self._environment.clock() // 1_000_000:
            raise error("login", "The access token does not count any more; get a new one.")
        return await self.of_access(access, caller.purpose)  # without a reason no emergency begins anew

    async def _renew(self) -> None:
        """Puts changed policies in force."""
        policies = self._in_force()
        if policies is not self._policies:
            await store_parameters(self._environment, policies)
            self._kept.clear()
            self._policies = policies
            self._own = own_ids(policies)
            asked = (text for rule in policies.rule for text in rule.resources)
            self._by_vocabulary = self._by_vocabulary or any(map(VOCABULARY.search, asked))

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

    async def require_scopes(self, scopes: str) -> None:
        """FhirError "forbidden" for a scope whose criteria can't be understood."""
        for scope in resource_scopes(scopes):
            if scope.criteria:
                await criteria_of(self._environment, scope)

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
        own = await patients_of(self._environment, fhir_user)
        related = is_by_record(fhir_user)  # whose app has the patient for as long as they are related
        if related and patient and own and patient not in own:
            patient = NOBODY
        whose = {"system": (), "patient": (patient,) if patient else (), "user": own}
        criteria = {scope: await criteria_of(self._environment, scope) for scope in scopes if scope.criteria}
        scoped = Scoped(self._environment, scopes, whose, criteria, lambda each: mark(client, user, each))
        stays = any(whose[scope.context] for scope in scopes)
        rules = self._policies.about(roles, user, client, purpose, stays)
        meant = {rule: [await self._meant(rule, text) for text in rule.resources] for rule in rules}
        refusals = [] if self._by_itself(client, user) else await self._refusals(fhir_user, purpose, own)
        by_app = client and any(scope.context != "system" for scope in scopes)
        state = StateOf()
        if by_app:
            state = await state_of(self._environment, self._policies, client, fhir_user, patient)
        policies = self._policies
        ruling = Ruling(rules, meant, policies.permits, self._own)
        limits = Limits(self._environment, scoped, ruling, refusals, state, fhir_user if related else "")
        free = scoped.free

        def administers(interface: str, interactions: str) -> bool:
            return free.issuperset(interactions) and policies.administers(roles, interface)

        caller = Caller(
            name=user or client,
            may=lru_cache(MOST_ASKED)(scoped.may),
            client=client,
            user=user,
            fhir_user=fhir_user,
            purpose=purpose,
            administers=administers,
            app_state=state.codes,
        )
        searching = self._environment.searching
        if free.issuperset(INTERACTIONS) and not (limits.narrowed or state.codes):
            writes = ParameterWrites(searching, ruling.needed, narrowed=False) if ruling.needed else None
            # everything is the caller's: there is nothing to restrict
            return caller._replace(own=ruling.needed, parameters=writes)
        return caller._replace(
            restriction=lambda type: limits.within("s", type),
            reading=lambda type: limits.within("r", type),
            writing=limits.within,
            shares=scoped.shares if stays else None,
            masks=self._masks(rules, meant),
            inside=limits.readable if limits.narrowed else None,
            belonging=scoped.belongs_to if scoped.belonging else None,
            binaries=lambda: limits.binaries,
            mark=scoped.mark,
            kept=KeptElements(policies.kept_from_patients, self._environment.definitions, scoped.within_patient),
            parameters=ParameterWrites(searching, ruling.needed, narrowed=not administers("parameters", "cruds")),
        )

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

    async def _refusals(self, fhir_user: str, purpose: str, own: Sequence[str]) -> list[Denied]:
        """What Consents deny this caller now; not a patient's own record, and in an emergency what names that only."""
        if self._consents is None:
            return []
        now = self._environment.clock()
        provisions = list(self._consents.provisions.values())
        named = {name for _, provision in provisions for name in provision.all_actors}
        actors = await actors_of(self._environment, fhir_user, named)
        return [
            each
            for patient, provision in provisions
            if patient not in own
            for each in denied(patient, provision, actors, purpose, now)
        ]

    async def _meant(self, rule: Rule, text: str) -> dict[str, Clause]:
        """The clause of a rule's `Type?criteria` by type, with its expression."""
        found = RESOURCES.match(text)
        assert found is not None
        clauses: dict[str, Clause] = {}
        if found[2]:
            clauses = await self._asked_by(text, Scope("user", found[1], "", found[2]))
        else:
            types = self._environment.definitions.resource_types if found[1] == "*" else (found[1],)
            clauses = dict.fromkeys(types, EVERYTHING_OF_IT)
        return {type: await self._computed(rule, type, clause) for type, clause in clauses.items()}

    async def _asked_by(self, text: str, criteria: Scope) -> dict[str, Clause]:
        """The clauses of a rule's criteria; FhirError "unavailable", which does not tell what the policies say."""
        try:
            return await criteria_of(self._environment, criteria)
        except FhirError as problem:
            if times := self._told_already.due(text):
                log.warning("a rule can't be applied", resources=text, problem=str(problem), times=times)
            raise error("unavailable", "A rule of the policies can't be applied now, so nothing is shown to whom it is "
                        "about; the server's log says which.") from None  # fmt: skip

    async def _computed(self, rule: Rule, type: str, clause: Clause) -> Clause:
        """The clause, where the rule's expression holds too."""
        if not rule.fhirpath:
            return clause
        holding = Scope("user", type, "", f"{code_of(type, rule.fhirpath)}=true")
        try:
            return All((clause, *(await criteria_of(self._environment, holding)).values()))
        except FhirError:  # not indexed everywhere yet
            return NOTHING if rule.effect == "permit" else clause


def lasts(access: Access) -> bool:
    """Whether a caller may be kept: whose related person somebody is can change at any time, and end."""
    return not is_by_record(access.fhir_user)


def is_by_record(fhir_user: str) -> bool:
    """Whether a user's own record, which may change, says whose records are theirs."""
    return fhir_user.partition("/")[0] in BY_RECORD

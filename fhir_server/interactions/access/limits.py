"""What of each type one caller may do an interaction on: its scopes allow, policies and Consents take away."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fhir_server.core.query import All, Any, Clause, IdIn, Not
from fhir_server.interactions.access.binaries import BINARY, naming
from fhir_server.interactions.access.contents import HOLDERS
from fhir_server.interactions.access.policy_parameters import TYPE as PARAMETER
from fhir_server.interactions.access.refusals import refused
from fhir_server.interactions.access.scoped import BY_UPDATE, WRITING, Scoped, of_patient
from fhir_server.interactions.app_state import TYPE as STATE
from fhir_server.interactions.app_state import StateOf
from fhir_server.interactions.environment import Environment
from fhir_server.search.fields import SECURITY_CONTEXT
from fhir_server.security.consents import Denied
from fhir_server.security.policies import Rule


class Ruling(NamedTuple):
    """What the policies say of one caller. meant: by rule the clauses by type, one dictionary for each `Type?criteria`;
    permits: whether what no rule permits is not there; needed: ids of the SearchParameters that the rules need, which
    are not the caller's to change.
    """

    rules: Sequence[Rule]
    meant: dict[Rule, list[dict[str, Clause]]]
    permits: bool
    needed: tuple[str, ...]


class Limits:
    """Of one caller; each is made when it is first asked for. refusals: what Consents deny; state: the app state that
    it has; related: the reference of the RelatedPerson or Person that it is, "" for others.
    """

    def __init__(
        self,
        environment: Environment,
        scoped: Scoped,
        ruling: Ruling,
        refusals: Sequence[Denied],
        state: StateOf,
        related: str,
    ) -> None:
        self._environment = environment
        self._searching = environment.searching
        self._scoped = scoped
        self._ruling = ruling
        self._refusals = refusals
        self._state = state
        self._related = related
        self._made: dict[tuple[str, str, bool], Clause | None] = {}

    @property
    def narrowed(self) -> bool:
        """Whether policies or Consents take anything away."""
        return bool(self._ruling.rules or self._refusals or self._ruling.permits)

    def within(self, interaction: str, type: str, shared: bool = False) -> Clause | None:
        """What an interaction (c, r, u, d, s, or BY_UPDATE) may be done on; None for all of the type.

        shared: of what another patient's record has too; see `Scoped`.
        """
        key = (interaction, type, shared)
        if key not in self._made:
            done = "c" if interaction == BY_UPDATE else interaction
            self._made[key] = together(
                self._scoped.limit(interaction, type, shared),
                *self._left(done, type),
                self._state.limit(done) if type == STATE else None,
                self.binaries if type == BINARY and interaction == "s" else None,
            )
        return self._made[key]

    def readable(self, type: str) -> Clause | None:
        """What of a type policies and Consents leave to be read, whatever the scopes say; None for all of it."""
        return together(*self._left("r", type))

    @functools.cached_property
    def binaries(self) -> Clause | None:
        """Those that name what may be searched, once what they name is indexed everywhere."""
        if SECURITY_CONTEXT.url in self._searching.building:
            return None
        scoped = self._scoped
        types = [type for type in self._searching.definitions.resource_types if type not in (BINARY, *HOLDERS)]
        belonging = scoped.belongs_to if scoped.belonging else lambda type: None
        return naming(
            {type: together(belonging(type), self.within("s", type)) for type in types}, always=scoped.belonging
        )

    def _left(self, interaction: str, type: str) -> Iterator[Clause]:
        """What policies and Consents leave."""
        yield from self._ruled(interaction, type)
        if interaction in WRITING and self._related.startswith(f"{type}/"):
            yield Not(IdIn((self._related.rpartition("/")[2],)))  # how long they are related is not theirs to say
        if type == PARAMETER and self._ruling.needed:
            yield Not(IdIn(self._ruling.needed))
        yield from refused(self._refusals, type, self._whose, self._searching)

    def _ruled(self, interaction: str, type: str) -> Iterator[Clause]:
        """What the policies' permits leave, and what their denials take away."""
        found: dict[str, list[Clause]] = {"permit": [], "deny": []}
        for rule in self._ruling.rules:
            if rule.effect in found and interaction in rule.interactions:
                found[rule.effect] += [clauses[type] for clauses in self._ruling.meant[rule] if type in clauses]
        if self._ruling.permits:
            yield Any(tuple(found["permit"]))
        yield from map(Not, found["deny"])

    def _whose(self, type: str, patient: str) -> Clause | None:
        return of_patient(self._environment, type, patient)


def together(*clauses: Clause | None) -> Clause | None:
    """What all of them allow; None for everything."""
    given = tuple(clause for clause in clauses if clause is not None)
    return None if not given else given[0] if len(given) == 1 else All(given)

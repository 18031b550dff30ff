"""What interactions and operations work with; made once a process by bootstrap."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from fhir_server.core.erasing import Erase
from fhir_server.core.errors import FhirError, Issue
from fhir_server.core.ports import (
    OPEN,
    Caller,
    ChangeFeed,
    Clock,
    IdSource,
    IndexState,
    ResourceStore,
    SearchIndex,
    TerminologyService,
    Transaction,
)
from fhir_server.core.query import Clause, Query
from fhir_server.core.settings import Settings
from fhir_server.core.values import SearchValue
from fhir_server.definitions import Definitions
from fhir_server.interactions.followers.feed_watch import FeedWatch
from fhir_server.interactions.request import Request, Response
from fhir_server.search.fields import Fields

if TYPE_CHECKING:
    from fhir_server.interactions.followers.following import Following
    from fhir_server.interactions.guarding import Guard


class Checker(Protocol):
    """The validator, as the write path sees it."""

    def check(self, resource: dict[str, Any]) -> list[Issue]:
        """The issues of a resource that is to be stored, by the settings; [] for none, errors refuse it."""
        ...

    def generation(self) -> Hashable:
        """Something else whenever supported_profiles() may be."""
        ...

    def supported_profiles(self) -> Mapping[str, Sequence[str]]:
        """The URLs of the profiles that are known here beside R4's own, by resource type."""
        ...

    def validate(
        self,
        resource: dict[str, Any],
        profiles: tuple[str, ...] = (),
        stored: Mapping[str, dict[str, Any]] = ...,
    ) -> list[Issue]:
        """All its issues: against base R4, the profiles that it declares, those required here and these.

        stored: resources that its references name, by the text of the reference.
        """
        ...


class Searching(Protocol):
    """The store-free half of search: extraction and parsing with the parameters in force now."""

    definitions: Definitions  # with the custom search parameters that are in force
    fields: Fields  # what is indexed by them
    building: frozenset[str]  # URLs of parameters by which not everything is indexed yet
    position: int  # in the change feed, of the newest SearchParameter that they follow; 0 for none

    def with_definitions(self, definitions: Definitions, building: frozenset[str], position: int) -> Searching:
        """The same with other search parameters."""
        ...

    def with_terminology(self, terminology: TerminologyService) -> Searching:
        """The same that asks another terminology."""
        ...

    def indexes(self, type: str, field: str) -> bool:
        """Whether a parameter in force has this field."""
        ...

    def extract(self, resource: dict[str, Any]) -> list[SearchValue]:
        """What to index."""
        ...

    async def query(
        self, type: str | None, request: Request, compartment: tuple[str, str] | None = None, *, blank: bool = False
    ) -> Query:
        """The search that a request asks for, ready for the index; compartment: (code, id)."""
        ...

    def compartment(self, type: str, compartment: tuple[str, str]) -> Clause:
        """What makes a resource of a type a member of a compartment (type, id); NOTHING for a type that is in none."""
        ...

    def about(self, type: str, target: tuple[str, str]) -> Clause | None:
        """What makes a resource of a type refer to a target by some search parameter; None where no parameter can."""
        ...

    async def criteria(self, type: str, text: str, request: Request) -> Clause:
        """The clause of a conditional interaction's criteria, `identifier=a|b&…` as in a URL; always strict."""
        ...

    async def criteria_of(self, type: str, pairs: list[tuple[str, str]], request: Request) -> Clause:
        """The same of criteria as decoded names and values."""
        ...


class Follower(Protocol):
    """Keeps something of this process in step with stored resources of some types."""

    @property
    def types(self) -> Collection[str]:
        """The types it follows."""
        ...

    async def start(self) -> None:
        """Takes in what is stored and goes on following."""
        ...

    async def refresh(self) -> None:
        """Takes in what has been stored by now."""
        ...

    async def stop(self) -> None:
        """Ends the following."""
        ...


@dataclass
class Environment:
    """The parts, by the names of their ports."""

    settings: Settings
    definitions: Definitions
    store: ResourceStore
    index: SearchIndex
    feed: ChangeFeed
    checker: Checker
    searching: Searching
    clock: Clock
    new_id: IdSource
    callers: Any = None  # makes Callers with this server's policies and Consents
    audit: Any = None  # the audit log, None where none is kept
    alerts: Any = None  # what is raised along the audit log, None without one
    subscriptions: Any = None  # what is kept of Subscriptions, None without them
    terminology: Any = None  # the terminology service, None for none
    operations: dict[str, Any] = field(default_factory=dict)
    kept: dict[Any, bytes] = field(default_factory=dict)  # made once, such as the CapabilityStatement
    started: int = 0
    rebuild: Callable[[Callable[[int, int], None]], Awaitable[int]] | None = None  # that index anew, beside traffic
    index_state: Callable[[], Awaitable[IndexState]] | None = None  # where the index follows the store by the feed
    erasures: list[Erase] = field(default_factory=list)  # what is erased beside the store
    followers: list[Follower] = field(default_factory=list)
    following: Following | None = None  # keeps them in step; None where nothing is followed
    guards: tuple[Guard, ...] = ()  # what looks at each write of a type
    claims: list[Callable[[dict[str, Any], str], None]] = field(default_factory=list)  # add to the CapabilityStatement
    seen_by: Caller = OPEN  # whose view of the store and the index this is
    whole: Environment | None = None  # what it is a view of, None for no view
    outdated: Callable[[Transaction], Awaitable[Searching]] | None = None  # searching, where a transaction sees others
    perform: Callable[[Environment, Request], Awaitable[Response]] | None = None
    watch: FeedWatch = field(init=False)  # who waits for the feed

    def __post_init__(self) -> None:
        self.watch = FeedWatch(self.feed)

    def seen_as(self, caller: Caller) -> Environment:
        """A copy, as the caller's; made for each request, so without what copy.copy asks of the class first."""
        seen = object.__new__(Environment)
        seen.__dict__.update(self.__dict__, seen_by=caller)
        return seen

    async def searching_in(self, transaction: Transaction) -> Searching:
        """With the search parameters that the transaction sees: what it writes is indexed by them."""
        if self.outdated is None or await transaction.newest("SearchParameter") == self.searching.position:
            return self.searching
        return await self.outdated(transaction)

    def checked(self, resource: dict[str, Any]) -> list[Issue]:
        """Refuses a resource that breaks R4, or profiles where the settings ask for them; returns its warnings."""
        issues = self.checker.check(resource)
        if issues and any(issue.severity in ("error", "fatal") for issue in issues):
            raise FhirError("unprocessable", issues)
        return issues

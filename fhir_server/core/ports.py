"""The seams of the house: what interactions need of a store, an index, a terminology and the world.

Every port has an embedded adapter (SQLite) and a distributed one; one contract suite in tests/contract runs over both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import Clause, Page, Query
from fhir_server.core.values import SearchValue

T = TypeVar("T")


class Clock(Protocol):
    """Gives microseconds since 1970 UTC."""

    def __call__(self) -> int:
        """Now."""
        ...


class IdSource(Protocol):
    """Gives a new logical id, [A-Za-z0-9-.]{1,64}, that no other worker gives."""

    def __call__(self) -> str:
        """A new id."""
        ...


class Write(NamedTuple):
    """One version to store: body b"" for a deletion; values: what to index, () for a deletion.

    fresh: the id was made for it a moment ago, so that nothing can have it.
    """

    type: str
    id: str
    version: int
    updated: int
    method: str
    body: bytes
    values: Sequence[SearchValue]
    fresh: bool = False


class Transaction(Protocol):
    """What work inside ResourceStore.commit may do; all of it takes effect, or nothing.

    Reads see the transaction's own writes and no other writer comes between: criteria matched here stay matched.
    reads and index answer whole interactions inside the transaction.
    """

    @property
    def reads(self) -> ResourceReads:
        """Reads inside the transaction."""
        ...

    @property
    def index(self) -> SearchIndex:
        """Searches that see the transaction's own writes; AfterCommitError for those that can't."""
        ...

    def now(self) -> int:
        """The moment of the next version in microseconds, whole milliseconds, never before the feed's newest."""
        ...

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version, a deletion too; None where the resource never was."""
        ...

    async def prefetch(self, keys: Iterable[tuple[str, str]]) -> None:
        """Says which resources (type, id) will be read or indexed anew, so that a store far away is asked but once."""
        ...

    async def newest(self, type: str) -> int:
        """The position in the feed of this type's newest version that is not erased, its own writes too; 0 for none."""
        ...

    async def matches(self, type: str, where: Clause, limit: int = 2) -> list[StoredVersion]:
        """Up to limit current resources for which the clause holds: the criteria of a conditional interaction."""
        ...

    async def matches_each(self, asked: Sequence[tuple[str, Clause]]) -> list[list[StoredVersion]]:
        """The same, two at most, for each (type, clause) in order; asked together, so that a store may look once."""
        ...

    async def put(self, write: Write) -> StoredVersion:
        """Stores the version and its index values; write.version must be the newest version plus one, else conflict."""
        ...

    async def reindex(self, type: str, id: str, values: Sequence[SearchValue]) -> None:
        """Replaces the index values of a current resource; its version stays."""
        ...

    async def erase(self, type: str, id: str) -> int:
        """Removes every version and index value; the feed keeps a change of method ERASE. Returns how many versions."""
        ...

    async def referring(self, type: str, id: str, limit: int = 1) -> list[tuple[str, str]]:
        """Current resources (type, id) that refer to this one, for referential integrity; not to a version of it, which
        is there as long as the history is."""
        ...


class Note(NamedTuple):
    """Bytes that were committed with what a work wrote. origin: of a process that wrote; place: grows with each."""

    origin: int
    place: int
    data: bytes


class NotingTransaction(Transaction, Protocol):
    """A transaction that keeps notes, which are there if and only if what was written with them is."""

    def note(self, data: bytes) -> None:
        """Commits bytes with what the work writes, for whoever asks for notes."""
        ...


class Notes(Protocol):
    """The notes of a store, for whoever takes them elsewhere; its methods block, and are for any thread.

    complete: whether one taker is given all of an origin, whose places are 1, 2, 3…; else others may have had some.
    """

    complete: bool

    def kept(self) -> list[Note]:
        """Those that were not removed, those of each origin in order. FhirError "unavailable"."""
        ...

    def remove(self, places: Mapping[int, int]) -> None:
        """Removes those of each origin up to a place; where the store is busy they go another time."""
        ...


class HistoryPage(NamedTuple):
    """Versions newest first, the cursor of the next page ("" where none), and how many there are in all.

    The total is None where counting would mean to look through a whole type or the whole store; what has one page only
    is counted. renewed: the positions in the feed of those that were put where a deletion had been.
    """

    versions: list[StoredVersion]
    next: str
    total: int | None
    renewed: frozenset[int] = frozenset()


class ResourceReads(Protocol):
    """Reads versions."""

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version, a deletion too; None where the resource never was."""
        ...

    async def read_many(self, keys: Iterable[tuple[str, str]]) -> list[StoredVersion | None]:
        """The newest version of each (type, id), in the order asked."""
        ...

    async def read_version(self, type: str, id: str, version: int) -> StoredVersion | None:
        """That very version."""
        ...

    async def mentions(self, reference: str) -> list[tuple[str, str]]:
        """(type, id) of every resource some version of which, an old or a deleted one too, has this reference."""
        ...

    async def history(
        self,
        type: str = "",
        id: str = "",
        *,
        since: int | None = None,
        at: tuple[int, int] | None = None,
        among: Sequence[tuple[str, str, str]] | None = None,
        cursor: str = "",
        count: int = 20,
    ) -> HistoryPage:
        """Versions of one resource, of a type (id ""), or of all (type ""), newest first.

        since: only versions stored at or after it; at: only versions that were current in this span; microseconds.
        among: only versions of these (type, id, version), "" for any version.
        """
        ...


class ResourceStore(ResourceReads, Protocol):
    """Keeps every version of every resource. immediate: no read of it waits for anything (core/at_once.py)."""

    immediate: bool

    async def commit(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs work in one transaction and returns what it returned once that is durable.

        Work may be run again from its start where the store asks for it, so it must not act outside the transaction.
        An exception of work undoes it all and is raised here.
        """
        ...


class SearchIndex(Protocol):
    """Answers queries."""

    async def search(self, query: Query) -> Page:
        """One page of a query with what it includes."""
        ...

    async def count(self, types: Sequence[str], where: Clause) -> int:
        """How many current resources of these types the clause holds for, exactly."""
        ...

    async def counts(self) -> dict[str, int]:
        """How many current resources there are of each type that has some."""
        ...

    async def close(self) -> None:
        """Lets go of what it holds."""
        ...


class Finding(NamedTuple):
    """Something in a store that is not as it should be: what it is about, what is wrong, whether it was put right.

    indexed: it is of what is indexed alone, which is made of what is stored, as an older program made it otherwise.
    """

    about: str
    problem: str
    repaired: bool
    indexed: bool = False


class Change(NamedTuple):
    """One entry of the change feed; method POST, PUT, PATCH, DELETE or ERASE; updated in microseconds.

    REINDEX where an index has to look at a version again: nothing of it has changed but what is indexed of it.
    """

    seq: int
    type: str
    id: str
    version: int
    method: str
    updated: int


class ChangeFeed(Protocol):
    """Every commit, in order, durable. Positions only grow; consumers keep their own by name."""

    async def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """Changes past a position, oldest first."""
        ...

    async def changes_of(self, types: Collection[str], after: int, limit: int = 1000) -> tuple[list[Change], int]:
        """Those of these types, and the position to go on from: nothing of them is left between the two."""
        ...

    async def head(self) -> int:
        """The position of the newest change, 0 for none."""
        ...

    async def newest(self) -> int:
        """The same, at once: it is at or past every change that was answered before; some before it may yet appear."""
        ...

    async def settled(self, moment: int) -> None:
        """Returns once all versions of milliseconds before this moment can be read, and no more of them will come: a
        version has the moment at which its work ran, and appears when that is committed."""
        ...

    async def position(self, consumer: str) -> int:
        """Where this consumer has got to, 0 at first."""
        ...

    async def lease(self, consumer: str, owner: str, seconds: float) -> bool:
        """Whether owner has this consumer's work to itself for so long; renewed by asking again."""
        ...

    async def holder(self, consumer: str) -> str:
        """The owner that has, or was the last to have, this consumer's work to itself; "" for none."""
        ...

    async def advance(self, consumer: str, position: int) -> None:
        """Keeps a consumer's position; never moves it back unless position is 0 (a rebuild)."""
        ...

    async def consumers_named(self, prefix: str) -> list[str]:
        """The consumers whose names begin so, of which a position or a lease is kept."""
        ...

    async def forget(self, consumers: Collection[str]) -> None:
        """Forgets positions and leases of consumers that are no more."""
        ...


class IndexState(NamedTuple):
    """How an index that follows the change feed is doing.

    away: why it can't be asked, "" where it can; name: of what searches ask; position: in the feed, how far searches
    see; changes, seconds: how many changes are not seen yet and how old the first of them is; problems: resources that
    are found by their ids only, as what they hold can't be indexed; parts: the position of each part of the keys, where
    they are divided.
    """

    away: str = ""
    name: str = ""
    position: int = 0
    changes: int = 0
    seconds: float = 0.0
    problems: int = 0
    parts: tuple[int, ...] = ()


class UnitConverter(Protocol):
    """Converts between units of one dimension (UCUM)."""

    def convert(self, value: float, from_system: str, from_code: str, to_system: str, to_code: str) -> float | None:
        """The value in the other unit; None where they don't convert."""
        ...

    def canonical(self, value: float, system: str, code: str) -> float:
        """The value in the canonical unit of its dimension, by which it is sorted; as it is where there is none."""
        ...


class TerminologyService(Protocol):
    """What search and validation ask of code systems and value sets; None means: not known here."""

    async def expand(self, value_set: str) -> Sequence[tuple[str, str]] | None:
        """All (system, code) of a value set by canonical URL."""
        ...

    async def below(self, system: str, code: str) -> Sequence[str] | None:
        """The code and all that it subsumes."""
        ...

    async def above(self, system: str, code: str) -> Sequence[str] | None:
        """The code and all that subsume it."""
        ...

    async def validate_code(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether the value set has this code."""
        ...


class Caller(NamedTuple):
    """Who asks, what may be seen, and what may be done. All None in open mode.

    restriction: gives for a type the Clause that holds for what may be searched of it, NOTHING for nothing, None for
    everything. An index must take its clauses as they are: no InValueSet, no Subsumes. reading: the same for reads by
    id; None where it is as for searches. writing: the same for an interaction, c, u or d, a type, and whether it is of
    what others' records have too; None where what may be seen may be written. shares: whether a resource of a type with
    these values is in another patient's record than those that an interaction stays within; None where none does. may:
    whether an interaction, one of cruds, is possible on a type at all.
    name: for people; client, user, fhir_user (a reference), purpose, reason: for the audit.
    masks: what is hidden of resources that may be seen (interactions/access/masks.py); None for nothing.
    inside: as restriction, of what a stored Bundle may hold to be seen; belonging: of what a Binary must belong
    to, None where that can be nothing (interactions/access/contents.py); binaries: gives the clause by which the
    restriction of Binaries tells it, None where each that is found must be looked into.
    access: what the token said that the caller showed, so that a job can go on for the same caller.
    app_state: the codes of Basic resources that are apps' state, each system|code or system| (app_state.py there).
    administers: whether an interface, such as hl7, is shown whole to the caller for interactions such as rs, whatever
    policies and Consents keep of its resources; None for nobody's.
    mark: what Subscriptions have that the caller stores within a patient's record (interactions/subscribers.py).
    own: ids of SearchParameters that the server keeps for its policies, where nothing else is kept from the caller:
    there is no restriction then, and these are not there all the same (interactions/access/visible.py).
    kept: refuses writes that change what nobody changes within a patient's context
    (interactions/access/kept_elements.py). parameters: refuses writes of SearchParameters by which it is decided who
    sees what (interactions/access/parameter_writes.py); None where all are the caller's to write.
    """

    name: str = "anonymous"
    restriction: Callable[[str], Clause | None] | None = None
    reading: Callable[[str], Clause | None] | None = None
    writing: Callable[[str, str, bool], Clause | None] | None = None
    shares: Callable[[str, str, Sequence[SearchValue]], bool] | None = None
    may: Callable[[str, str], bool] | None = None
    client: str = ""
    user: str = ""
    fhir_user: str = ""
    purpose: str = ""
    access: Any = None
    reason: str = ""
    masks: Any = None
    inside: Callable[[str], Clause | None] | None = None
    belonging: Callable[[str], Clause | None] | None = None
    binaries: Callable[[], Clause | None] | None = None
    app_state: frozenset[str] = frozenset()
    administers: Callable[[str, str], bool] | None = None
    mark: str = ""
    own: tuple[str, ...] = ()
    kept: Any = None
    parameters: Any = None


OPEN = Caller()

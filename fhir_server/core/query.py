"""A typed search: what a URL asks, free of syntax and of any store.

search.parse_query makes it, search.rewrite simplifies it, access restrictions are added to it, and every SearchIndex
answers it. A Clause speaks of one resource of the type it is evaluated in; fields are those of that type.
Specification: https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Union

from fhir_server.core.errors import Issue
from fhir_server.core.keys import StoredVersion

# How a range of the resource relates to the range that was asked for; the prefixes of R4 in terms of two ranges.
#   eq  asked contains it          ne  not eq             ap  they overlap (asked is widened by the parser)
#   gt  it ends after asked        lt  it starts before   ge  gt or eq        le  lt or eq
#   sa  it starts after asked      eb  it ends before asked
#   co  it contains asked (only _filter asks this)
Comparator = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "co"]


@dataclass(frozen=True, slots=True)
class All:
    """Every clause holds; All(()) always holds."""

    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one clause holds; Any(()) never holds."""

    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The clause does not hold."""

    clause: Clause


@dataclass(frozen=True, slots=True)
class IdIn:
    """The logical id is one of these."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TypeIn:
    """The resource type is one of these (_type, and restrictions across types)."""

    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UpdatedIs:
    """_lastUpdated; microseconds since 1970 UTC, inclusive."""

    comparator: Comparator
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class StringIs:
    """A STRING value starts with, contains or equals the text; folded but for "exact".

    equals, ends and the orders (by code point of the folded text) come from _filter only.
    """

    fields: tuple[str, ...]
    mode: Literal["starts", "contains", "exact", "equals", "ends", "gt", "lt", "ge", "le"]
    text: str


@dataclass(frozen=True, slots=True)
class TokenIs:
    """A TOKEN value matches. system None: any, "": none; code None: any (`system|`)."""

    fields: tuple[str, ...]
    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class TokenIn:
    """A TOKEN value is one of these (system, code), e.g. of an expanded value set; system None: any."""

    fields: tuple[str, ...]
    codings: tuple[tuple[str | None, str], ...]


@dataclass(frozen=True, slots=True)
class InValueSet:
    """A TOKEN value is in the value set (:in). No index sees it: search.rewrite expands it to TokenIn."""

    fields: tuple[str, ...]
    value_set: str


@dataclass(frozen=True, slots=True)
class Subsumes:
    """A TOKEN value is the code or below or above it. No index sees it: search.rewrite expands it to TokenIn."""

    fields: tuple[str, ...]
    direction: Literal["below", "above"]
    system: str
    code: str


@dataclass(frozen=True, slots=True)
class TextIs:
    """The text of a coded element (:text): a TEXT value that starts with it, or has a word that does; folded."""

    fields: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class UriIs:
    """A URI or CANONICAL value equals it, lies below it (`url` and all that starts with `url/`), or above it."""

    fields: tuple[str, ...]
    mode: Literal["exact", "below", "above"]
    uri: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class RefersTo:
    """A REFERENCE value names one of these (type, id); type "" where only an id was given: any of target_types.

    target_types () means any; otherwise only references to these types count (`patient` over the field `subject`).
    version: "" for any.
    """

    fields: tuple[str, ...]
    targets: tuple[tuple[str, str], ...]
    target_types: tuple[str, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class RefersWithin:
    """A REFERENCE value names type/id or what lies below (above) it in the hierarchy of its type (Location.partOf).

    parents: the fields of `type` that name a resource's parent; through: holds for each resource whose parents count,
    type/id among them.
    """

    fields: tuple[str, ...]
    direction: Literal["below", "above"]
    type: str
    id: str
    parents: tuple[str, ...]
    through: Clause = All(())


@dataclass(frozen=True, slots=True)
class DateIs:
    """A DATE value stands in this relation to [low, high], microseconds since 1970 UTC."""

    fields: tuple[str, ...]
    comparator: Comparator
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class NumberIs:
    """A NUMBER value stands in this relation to the range [low, high) that the asked value's precision stands for.

    `value` is the asked number itself: gt, lt, ge, le, sa and eb compare with it, eq, ne and ap with the range;
    for ap its end is in it.
    """

    fields: tuple[str, ...]
    comparator: Comparator
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class QuantityIs:
    """Like NumberIs, for each unit that can be meant; ranges () where no unit was asked: then value, low, high stand.

    unit: None: any unit; otherwise (system or None, code): with system None the code or the human unit may match.
    An index converts between units of one dimension by the UnitConverter that it is given.
    """

    fields: tuple[str, ...]
    comparator: Comparator
    value: float
    low: float
    high: float
    unit: tuple[str | None, str] | None = None


@dataclass(frozen=True, slots=True)
class CompositeIs:
    """A COMPOSITE value whose parts match these clauses, part by part; each part clause has fields ("",)."""

    fields: tuple[str, ...]
    parts: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Near:
    """A POSITION value lies within distance (metres) of the point (degrees)."""

    fields: tuple[str, ...]
    latitude: float
    longitude: float
    distance: float


@dataclass(frozen=True, slots=True)
class Missing:
    """No value (missing True) or some value (False) in any of the fields.

    target_types: () or the only types that a reference must name to count.
    """

    fields: tuple[str, ...]
    missing: bool
    target_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference in these fields names a resource of one of these types for which that type's clause holds."""

    fields: tuple[str, ...]
    targets: tuple[tuple[str, Clause], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A resource of type `source`, for which `clause` holds, refers to this one by these fields of its own (_has)."""

    source: str
    fields: tuple[str, ...]
    clause: Clause


@dataclass(frozen=True, slots=True)
class NarrativeHas:
    """The narrative has all these folded words (_text), or the whole content has (_content)."""

    words: tuple[str, ...]
    scope: Literal["text", "content"]


@dataclass(frozen=True, slots=True)
class InList:
    """An entry of List/id names the resource (_list)."""

    id: str


Clause = Union[  # noqa: UP007  the names are strings here, which | does not join
    All, Any, Not, IdIn, TypeIn, UpdatedIs, StringIs, TokenIs, TokenIn, InValueSet, Subsumes, TextIs, UriIs, RefersTo,
    RefersWithin, DateIs, NumberIs, QuantityIs, CompositeIs, Near, Missing, Chain, Has, NarrativeHas, InList,
]  # fmt: skip

EVERYTHING = All(())
NOTHING = Any(())


@dataclass(frozen=True, slots=True)
class SortKey:
    """One _sort key. fields () stands for a built-in: kind "id", "updated" or "type"; else the kind of the values."""

    fields: tuple[str, ...]
    kind: Literal[
        "id", "updated", "type",
        "string", "token", "reference", "canonical", "date", "number", "quantity", "uri", "near",
    ]  # fmt: skip
    descending: bool = False
    latitude: float = 0.0
    longitude: float = 0.0


@dataclass(frozen=True, slots=True)
class Include:
    """One _include or _revinclude.

    source: the type that holds the reference; fields: of source; target_types: () for any; reverse: _revinclude;
    iterate: also from what was included.
    """

    source: str
    fields: tuple[str, ...]
    target_types: tuple[str, ...] = ()
    reverse: bool = False
    iterate: bool = False


Total = Literal["none", "estimate", "accurate"]


@dataclass(frozen=True, slots=True)
class Query:
    """A whole search. types: those searched, more than one for a search across types; where: evaluated in each.

    summary: "" | true | text | data | false; elements: asked names, () for all: how to show what is found.
    used: the parameters as understood, for the self link; warnings: what lenient handling passed over.
    restriction: what an included resource of a type must satisfy (Caller.restriction), None for nothing; where has the
    restrictions of its own types already. older: gives an older version that is included, as a reference names it, as
    it may be shown, or None where the newest is to stand in its place; None for as it is. wait: seconds that the search
    may be held back until the index has seen what was committed before it, None for what the settings say.
    matches_once: the pages are one set, so that a match is not included with another page than its own.
    """

    types: tuple[str, ...]
    where: Clause = EVERYTHING
    sort: tuple[SortKey, ...] = ()
    includes: tuple[Include, ...] = ()
    count: int = 20
    cursor: str = ""
    total: Total = "none"
    only_count: bool = False
    summary: str = ""
    elements: tuple[str, ...] = ()
    used: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    warnings: tuple[Issue, ...] = field(default=(), compare=False)
    restriction: Callable[[str], Clause | None] | None = field(default=None, compare=False)
    older: Callable[[StoredVersion], StoredVersion | None] | None = field(default=None, compare=False)
    wait: float | None = field(default=None, compare=False)
    matches_once: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of matches: ids in order as versions, cursors of the neighbouring pages ("" where none), and the total.

    total is None where it was not asked for and is not known for free. included: by _include and _revinclude.
    warnings: what may be wrong with it.
    """

    matches: list
    included: list
    next: str = ""
    previous: str = ""
    first: str = ""
    last: str = ""
    total: int | None = None
    warnings: tuple[Issue, ...] = ()

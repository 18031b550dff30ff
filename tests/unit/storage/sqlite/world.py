"""Small worlds whose values often coincide, and hypothesis strategies for clauses about them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import strategies as st

from fhir_server.core.folding import fold
from fhir_server.core.query import (
    All,
    Any,
    Chain,
    Clause,
    CompositeIs,
    DateIs,
    Has,
    IdIn,
    InList,
    Missing,
    NarrativeHas,
    Near,
    Not,
    NumberIs,
    QuantityIs,
    RefersTo,
    RefersWithin,
    SortKey,
    StringIs,
    TextIs,
    TokenIn,
    TokenIs,
    TypeIn,
    UpdatedIs,
    UriIs,
)
from fhir_server.core.values import (
    CANONICAL,
    COMPOSITE,
    DATE,
    MAX_DATE,
    MIN_DATE,
    NARRATIVE,
    NUMBER,
    POSITION,
    QUANTITY,
    REFERENCE,
    STRING,
    TEXT,
    TOKEN,
    URI,
    SearchValue,
)
from tests.unit.storage.sqlite.oracle import Item, World
from tests.unit.storage.sqlite.shelf import START, Shelf

TYPES = ("Patient", "Observation", "List")
IDS = ("1", "2", "3", "4", "5")
DAY = 86_400_000_000
DAYS = [START + n * DAY for n in range(4)]
GRAMS = {"g": 1.0, "kg": 1000.0, "mg": 0.001}  # the units of "ucum"
EARTH_POINTS = (-90.0, -45.5, 0.0, 45.5, 90.0), (-180.0, -179.9, 0.0, 10.0, 179.9, 180.0)

TEXTS = ["", "a", "Ab", "ab c", "Smith", "smith-jones", "Ünal", "unal", "x\U0010ffff", "x", "Ab C (d)", "covid-19"]
CODES = ["a", "b", "c"]
SYSTEMS = ["", "s", "t"]
URIS = ["http://a", "http://a/", "http://a/b", "http://a/b/c", "http://a-b", "urn:x:1", "http://a/b0"]
VERSIONS = ["", "", "1", "2"]
NUMBERS = [-2.0, 0.0, 0.5, 1.0, 1.5, 2.0, 100.0]
UNITS = [("ucum", "g", "gram"), ("ucum", "kg", "kg"), ("", "", "cup"), ("ucum", "mg", "mg"), ("x", "g", "g")]
WORDS = ["fever", "covid-19", "19", "über", "uber", "a_b", "high", "hi"]

texts, codes, systems, uris, versions, numbers, words = map(
    st.sampled_from, (TEXTS, CODES, SYSTEMS, URIS, VERSIONS, NUMBERS, WORDS)
)
keys = st.tuples(st.sampled_from(TYPES), st.sampled_from(IDS))


def convert(value: float, from_system: str, from_code: str, to_system: str, to_code: str) -> float | None:
    """Between the grams of ucum."""
    if (from_system, to_system) != ("ucum", "ucum") or from_code not in GRAMS or to_code not in GRAMS:
        return None
    return value * GRAMS[from_code] / GRAMS[to_code]


class Grams:
    """The port over it."""

    convert = staticmethod(convert)

    @staticmethod
    def canonical(value: float, system: str, code: str) -> float:
        return value * GRAMS.get(code, 1.0) if system == "ucum" else value


def span(random: Random) -> tuple[int, int]:
    """A range of time: a point, less or more than a day, or open."""
    low = random.choice(DAYS) + random.choice([0, 1, 1000, DAY - 1])
    high = low + random.choice([0, 0, 1, 999, DAY - 1, DAY - 1, DAY, DAY + 1, 2 * DAY])
    return random.choice([*[(low, high)] * 9, (MIN_DATE, low), (low, MAX_DATE), (MIN_DATE, MAX_DATE)])


def amount(random: Random) -> tuple[float, float]:
    """A range of numbers, most often a point."""
    low = random.choice(NUMBERS)
    return random.choice([*[(low, low)] * 6, (low, low + 1), (float("-inf"), low), (low, float("inf"))])


def string(random: Random) -> SearchValue:
    text = random.choice(TEXTS)
    return STRING, fold(text), text


def token(random: Random) -> SearchValue:
    system = random.choice(SYSTEMS)
    return TOKEN, system, random.choice([*CODES, ""] if system else CODES)


def coded(random: Random) -> SearchValue:
    return random.choice([token(random), (TEXT, fold(random.choice(TEXTS)))])


def reference(random: Random) -> SearchValue:
    return REFERENCE, random.choice(TYPES), random.choice(IDS), random.choice(VERSIONS)


def address(random: Random) -> SearchValue:
    uri = random.choice(URIS)
    return random.choice([(URI, uri), (CANONICAL, uri, random.choice(VERSIONS))])


def date(random: Random) -> SearchValue:
    return DATE, *span(random)


def number(random: Random) -> SearchValue:
    return NUMBER, *amount(random)


def quantity(random: Random) -> SearchValue:
    return QUANTITY, *amount(random), *random.choice(UNITS)


def position(random: Random) -> SearchValue:
    return POSITION, *(random.choice(points) for points in EARTH_POINTS)


def composite(*parts: Callable[[Random], SearchValue]) -> Callable[[Random], SearchValue]:
    return lambda random: (COMPOSITE, tuple((found[0], "", *found[1:]) for found in (part(random) for part in parts)))


FIELDS: dict[str, Callable[[Random], SearchValue]] = {
    "name": string,
    "alias": string,
    "code": coded,
    "other": token,
    "subject": reference,
    "item": reference,
    "address": address,
    "date": date,
    "number": number,
    "quantity": quantity,
    "position": position,
    "code-quantity": composite(token, quantity),
    "code-date": composite(token, date),
    "name-number": composite(string, number),
    "target-code": composite(lambda random: random.choice([reference, address])(random), token),
}


def values(random: Random) -> tuple[SearchValue, ...]:
    """The search values of one resource."""
    found = []
    for field, make in FIELDS.items():
        for _ in range(random.choice([0, 1, 1, 2, 4])):
            kind, *parts = make(random)
            found.append((kind, field, *parts))
    if random.random() < 0.7:
        found.append((NARRATIVE, "", sentence(random)))
    return tuple(dict.fromkeys(found))


def sentence(random: Random) -> str:
    return " ".join(random.choices(WORDS, k=random.randrange(5)))


def world_of(seed: int, writes: int = 25) -> tuple[Shelf, World]:
    """A shelf with up to fifteen resources, some updated or deleted, and the same as a World."""
    random = Random(seed)
    shelf, world = Shelf(Grams()), World(convert=convert, canonical=Grams.canonical)
    for seq in range(1, random.randrange(writes) + 2):
        key = random.choice(TYPES), random.choice(IDS)
        if key in world.items and random.random() < 0.3:
            shelf.delete(*key)
            del world.items[key]
            continue
        found = values(random)
        body = shelf.put(*key, *found, body={"note": sentence(random)})
        world.items[key] = Item(*key, 0, seq, shelf.now, found, body)
    rids = shelf.rids()
    for key, item in world.items.items():
        item.rid = rids[key]
    return shelf, world


worlds = st.integers(0, 10**6).map(world_of)

COMPARATORS = st.sampled_from(["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "co"])
asked_numbers = st.tuples(numbers, st.sampled_from([0.05, 0.5, 1.0])).map(lambda n: (n[0], n[0] - n[1], n[0] + n[1]))
asked_spans = st.builds(
    lambda day, start, width: (day + start, day + start + width),
    st.sampled_from(DAYS),
    st.sampled_from([0, 1, 1000, DAY - 1]),
    st.sampled_from([0, 999, DAY - 1, DAY, 2 * DAY]),
)
asked_units = st.sampled_from(
    [None, (None, "g"), (None, "gram"), (None, "cup"), ("ucum", "g"), ("ucum", "kg"), ("x", "g"), ("x", "h")]
)


def _names(*names: str):
    return st.lists(st.sampled_from([*names, "unknown"]), min_size=1, max_size=2, unique=True).map(tuple)


def _folded(mode: str):
    return texts if mode == "exact" else texts.map(fold)


def string_clauses(fields):
    return st.sampled_from(["starts", "contains", "exact", "equals", "ends", "gt", "lt", "ge", "le"]).flatmap(
        lambda mode: st.builds(StringIs, fields, st.just(mode), _folded(mode))
    )


def token_clauses(fields):
    return st.builds(TokenIs, fields, st.none() | systems, st.none() | codes)


def reference_clauses(fields):
    named = st.tuples(st.sampled_from([*TYPES, ""]), st.sampled_from(IDS))
    targets = st.lists(named, max_size=3).map(tuple) | st.just(tuple((t, i) for t in TYPES for i in IDS[:3]))
    return st.builds(RefersTo, fields, targets, st.lists(st.sampled_from(TYPES), max_size=2).map(tuple), versions)


def uri_clauses(fields):
    return st.builds(UriIs, fields, st.sampled_from(["exact", "below", "above"]), uris, versions)


def date_clauses(fields):
    return st.builds(lambda f, c, span: DateIs(f, c, *span), fields, COMPARATORS, asked_spans)


def number_clauses(fields):
    return st.builds(lambda f, c, n: NumberIs(f, c, *n), fields, COMPARATORS, asked_numbers)


def quantity_clauses(fields):
    return st.builds(lambda f, c, n, u: QuantityIs(f, c, *n, unit=u), fields, COMPARATORS, asked_numbers, asked_units)


PART = st.just(("",))


def _composites(field: str, *parts):
    def either(part):
        return part | st.lists(part, max_size=2).map(lambda found: Any(tuple(found)))

    return st.builds(CompositeIs, st.just((field,)), st.tuples(*map(either, parts)))


CLAUSES = {
    "string": string_clauses(_names("name", "alias")),
    "token": token_clauses(_names("code", "other")),
    "tokens": st.builds(
        TokenIn,
        _names("code", "other"),
        st.lists(st.tuples(st.none() | systems, codes), max_size=12).map(tuple),
    ),
    "text": st.builds(TextIs, _names("code"), texts.map(fold)),
    "uri": uri_clauses(_names("address")),
    "reference": reference_clauses(_names("subject", "item")),
    "hierarchy": st.builds(
        RefersWithin,
        _names("subject", "item"),
        st.sampled_from(["below", "above"]),
        st.sampled_from(TYPES),
        st.sampled_from(IDS),
        _names("subject", "item"),
        st.just(All(())) | st.lists(st.sampled_from(IDS), max_size=4).map(lambda ids: IdIn(tuple(ids))),
    ),
    "date": date_clauses(_names("date")),
    "number": number_clauses(_names("number")),
    "quantity": quantity_clauses(_names("quantity")),
    "composite": st.one_of(
        _composites("code-quantity", token_clauses(PART), quantity_clauses(PART)),
        _composites("code-date", token_clauses(PART), date_clauses(PART)),
        _composites(
            "name-number",
            st.builds(StringIs, PART, st.sampled_from(["starts", "equals"]), texts.map(fold)),
            number_clauses(PART),
        ),
        _composites(
            "target-code",
            st.builds(RefersTo, PART, st.lists(keys, max_size=2).map(tuple)) | uri_clauses(PART),
            token_clauses(PART),
        ),
    ),
    "near": st.builds(
        Near,
        _names("position"),
        *(st.sampled_from(points) for points in EARTH_POINTS),
        st.sampled_from([0.0, 30_000.0, 6_000_000.0, 10_100_000.0, 20_100_000.0]),
    ),
    "missing": st.builds(
        Missing,
        _names(*FIELDS),
        st.booleans(),
        st.just(()) | st.lists(st.sampled_from(TYPES), max_size=2).map(tuple),
    ),
    "id": st.lists(st.sampled_from(IDS), max_size=3).map(lambda ids: IdIn(tuple(ids))),
    "type": st.lists(st.sampled_from(TYPES), max_size=2).map(lambda types: TypeIn(tuple(types))),
    "updated": st.builds(
        lambda c, low, width: UpdatedIs(c, START + low * 500_000, START + (low + width) * 500_000),
        COMPARATORS,
        st.integers(-1, 44),
        st.integers(0, 20),
    ),
    "list": st.builds(InList, st.sampled_from(IDS)),
    "narrative": st.builds(
        NarrativeHas, st.lists(words, min_size=1, max_size=2).map(tuple), st.sampled_from(["text", "content"])
    ),
}

simple_clauses = st.one_of(*CLAUSES.values())


def _combined(inner: st.SearchStrategy[Clause]) -> st.SearchStrategy[Clause]:
    several = st.lists(inner, max_size=3).map(tuple)
    typed = st.lists(st.tuples(st.sampled_from(TYPES), inner), max_size=2).map(tuple)
    return st.one_of(
        st.builds(All, several),
        st.builds(Any, several),
        st.builds(Not, inner),
        st.builds(Chain, _names("subject", "item"), typed),
        st.builds(Has, st.sampled_from(TYPES), _names("subject", "item"), inner),
    )


clauses = st.recursive(simple_clauses, _combined, max_leaves=5)

type_lists = st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True).map(tuple)
_KINDS = {
    "string": ("name", "alias"),
    "token": ("code", "other"),
    "reference": ("subject", "item"),
    "date": ("date",),
    "number": ("number",),
    "quantity": ("quantity",),
    "uri": ("address",),
    "near": ("position",),
}
sort_keys = st.one_of(
    st.builds(SortKey, st.just(()), st.sampled_from(["id", "updated", "type"]), st.booleans()),
    *(
        st.builds(SortKey, _names(*names), st.just(kind), st.booleans(), st.just(10.0), st.just(20.0))
        for kind, names in _KINDS.items()
    ),
)

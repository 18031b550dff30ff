"""What tells whether a document is what a resource's values make: digests, as the document itself can't be read back.

One is of all that R4 itself indexes, and one is of each field of a custom search parameter. So what a parameter has
left behind which is in force no more (searches don't ask for it) is told from what is wrong.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from fhir_server.core.values import NARRATIVE, SearchValue
from fhir_server.storage.elastic import terms
from fhir_server.storage.elastic.encode import counted

Group = tuple[str, ...]  # the several fields that one sort key may be over
Indexes = Callable[[str, str], bool]  # (type, field): whether a parameter has it

SIZE = 9  # bytes
OFFICIAL = ""  # the name of what R4 itself indexes
UNSORTED = b"-"  # before a value that sorting does not count

_encode = msgspec.json.Encoder().encode


def always(type: str, field: str) -> bool:
    """Where there are no custom parameters."""
    return True


class Parameters(NamedTuple):
    """What is asked of search parameters: the sort groups of a type, whose fields are R4's own or in force now, and
    which are of references."""

    groups: Callable[[str], Iterable[Group]]
    official: Indexes = always
    in_force: Indexes = always
    references: Callable[[str], Collection[str]] = lambda type: ()


def digests(type: str, values: Sequence[SearchValue], parameters: Parameters, body: bytes = b"") -> list[str]:
    """Of these values, sort groups and the body that _content searches: a name and a digest each."""
    parts: dict[str, list[bytes]] = defaultdict(list)
    names: dict[str, str] = {}
    references = parameters.references(type)
    for value in values:
        field = value[1]
        name = names.get(field)
        if name is None:
            official = value[0] == NARRATIVE or parameters.official(type, field)
            name = names[field] = OFFICIAL if official else field
        parts[name].append(_encode(value) if counted(value, references) else UNSORTED + _encode(value))
    parts[OFFICIAL].append(body)
    found = [terms.compose(name, _digest(sorted(some))) for name, some in parts.items()]
    for group in parameters.groups(type):
        if not names.keys().isdisjoint(group) and not all(parameters.official(type, field) for field in group):
            found.append(terms.compose(*sorted(group), "", ""))
    return found


def differ(type: str, kept: Collection[str], wanted: Collection[str], parameters: Parameters) -> bool:
    """Whether a document with the digests `kept` is another than one with those `wanted`."""
    if not set(wanted) <= set(kept):
        return True
    left = {digest.partition(terms.END)[0] for digest in set(kept).difference(wanted) if not digest.endswith(terms.END)}
    return any(name == OFFICIAL or parameters.in_force(type, name) for name in left)


def _digest(parts: list[bytes]) -> str:
    return hashlib.blake2b(b"\n".join(parts), digest_size=SIZE).hexdigest()

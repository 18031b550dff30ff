"""What an expression reads: the paths of elements that its result can depend on."""

from __future__ import annotations

from fhir_server.fhirpath.ast import Binary, Call, Indexer, Literal, Member, Node, Variable, children
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.parser import parse

Elements = tuple[str, ...]
EVERYTHING: Elements = ()
RESOLVED = "resolve()"  # the step from a reference into the resource that it names
# after these the items are still those of the source, fewer perhaps
PASSING = frozenset({"where", "as", "ofType", "first", "last", "tail", "skip", "take", "single", "distinct", "exists",
                     "empty", "not", "hasValue", "is", "count", "all", "any"})  # fmt: skip


def paths_read(expression: str) -> set[Elements]:
    """Element names from the resource on; what lies below a path is read with it. () stands for the whole resource.

    `Patient.telecom.where(system = 'phone')` reads ("telecom",) and ("telecom", "system"); `subject.resolve().gender`
    reads ("subject",) and ("subject", RESOLVED, "gender"). Whatever can't be told is the whole resource.
    """
    try:
        read: set[Elements] = set()
        read |= _ends(parse(expression), {EVERYTHING}, read)
        return read
    except (FhirPathError, RecursionError):
        return {EVERYTHING}


def _ends(node: Node, base: set[Elements], read: set[Elements]) -> set[Elements]:
    """Where a node leads from these places; what it reads on the way is added to read."""
    if isinstance(node, Member):
        if node.source is None:
            return set(base) if node.name[:1].isupper() else {(*place, node.name) for place in base}
        return {(*place, node.name) for place in _ends(node.source, base, read)}
    if isinstance(node, Call):
        source = set(base) if node.source is None else _ends(node.source, base, read)
        read |= source - {EVERYTHING}
        if node.name == "resolve":
            return {(*place, RESOLVED) for place in source}
        if node.name not in PASSING:
            for argument in node.arguments:
                read |= _ends(argument, source, read)
            if node.name == "extension":
                return {(*place, "extension") for place in source}
            read.add(EVERYTHING)
            return {EVERYTHING}
        if node.name not in ("as", "ofType", "is"):
            for argument in node.arguments:
                read |= _ends(argument, source, read)
        return source
    if isinstance(node, Indexer):
        read |= _ends(node.index, base, read)
        return _ends(node.source, base, read)
    if isinstance(node, Variable):
        read.add(EVERYTHING)
        return {EVERYTHING}
    if isinstance(node, Literal):
        return set()
    found = [_ends(child, base, read) for child in children(node)]
    ends = set[Elements]().union(*found) if found else set(base)
    if isinstance(node, Binary) and node.operator != "|":
        read |= ends
    return ends

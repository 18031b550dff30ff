"""The syntax tree. Node names follow the grammar of https://hl7.org/fhirpath/grammar.html

A node without a source (None) starts a path: it applies to the context item. `position` is its offset in the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A value of a System type: bool, int, Decimal, str, Temporal or Quantity."""

    value: Any
    position: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Empty:
    """The empty collection, {}."""

    position: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class This:
    """$this."""

    position: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class IndexVariable:
    """$index."""

    position: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Total:
    """$total."""

    position: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """%name."""

    name: str
    position: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """source.name."""

    source: Node | None
    name: str
    position: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """source.name(arguments)."""

    source: Node | None
    name: str
    arguments: tuple[Node, ...]
    position: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Indexer:
    """source[index]."""

    source: Node
    index: Node
    position: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Polarity:
    """+operand or -operand; as an argument of sort also operand asc, operand desc."""

    operator: str
    operand: Node
    position: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Binary:
    """left operator right, for every operator but is and as."""

    operator: str
    left: Node
    right: Node
    position: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class TypeOperation:
    """operand is type, operand as type; type may be qualified: FHIR.Patient, System.String."""

    operator: str
    operand: Node
    type: str
    position: int = -1


Node = (
    Literal
    | Empty
    | This
    | IndexVariable
    | Total
    | Variable
    | Member
    | Call
    | Indexer
    | Polarity
    | Binary
    | TypeOperation
)


def type_specifier(node: Node) -> str | None:
    """The type that an argument names (Patient, FHIR.Patient); None where it is no type specifier."""
    if isinstance(node, Member):
        if node.source is None:
            return node.name
        qualifier = type_specifier(node.source)
        return f"{qualifier}.{node.name}" if qualifier else None
    return None


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below this one."""
    if isinstance(node, Member):
        return (node.source,) if node.source is not None else ()
    if isinstance(node, Call):
        return (node.source, *node.arguments) if node.source is not None else node.arguments
    if isinstance(node, Indexer):
        return (node.source, node.index)
    if isinstance(node, (Polarity, TypeOperation)):
        return (node.operand,)
    if isinstance(node, Binary):
        return (node.left, node.right)
    return ()

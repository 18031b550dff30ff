"""An ECL tree -> a query over the store that yields the ids of concepts."""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.core.errors import error
from terminology.snomed.ecl import (
    Attribute,
    Both,
    Compound,
    Concept,
    Condition,
    Dotted,
    Expression,
    Group,
    Refined,
    Related,
    parse,
)

REFERENCE_SET = "^refset"  # the hidden property that says which reference sets a concept is a member of

_RELATED = {
    "<<": "SELECT descendant FROM descendants WHERE concept IN ({0}) UNION {0}",
    "<": "SELECT descendant FROM descendants WHERE concept IN ({0}) AND descendant <> concept",
    ">>": "SELECT ancestor FROM ancestors WHERE concept IN ({0}) UNION {0}",
    ">": "SELECT ancestor FROM ancestors WHERE concept IN ({0}) AND ancestor <> concept",
    "<!": "SELECT child FROM parents WHERE parent IN ({0})",
    "<<!": "SELECT child FROM parents WHERE parent IN ({0}) UNION {0}",
    ">!": "SELECT parent FROM parents WHERE child IN ({0})",
    ">>!": "SELECT parent FROM parents WHERE child IN ({0}) UNION {0}",
}
_SETS = {"AND": "INTERSECT", "OR": "UNION", "MINUS": "EXCEPT"}


def to_sql(
    text: str, find: Callable[[str], int], id_range: tuple[int, int], properties: Callable[[str], list[int]]
) -> str:
    """A SELECT of one column, the ids of the concepts that the expression stands for.

    find: the id of a concept, -1 where there is none; properties: the numbers of a property in the store.
    """
    return _Query(find, id_range, properties).ids(parse(text))


class _Query:
    def __init__(
        self, find: Callable[[str], int], id_range: tuple[int, int], properties: Callable[[str], list[int]]
    ) -> None:
        self._find = find
        self._first, self._last = id_range
        self._properties = properties
        self._aliases = 0

    def ids(self, tree: Expression) -> str:
        if isinstance(tree, Concept):
            if tree.code == "*":
                return f"SELECT id FROM concepts WHERE id BETWEEN {self._first} AND {self._last}"
            return f"SELECT {self._find(tree.code)}"
        if isinstance(tree, Related):
            return self._related(tree)
        if isinstance(tree, Compound):
            return (
                f"SELECT * FROM ({self.ids(tree.left)}) {_SETS[tree.operator]} SELECT * FROM ({self.ids(tree.right)})"
            )
        if isinstance(tree, Dotted):
            return (
                f"SELECT value FROM attributes WHERE concept IN ({self.ids(tree.focus)}) "
                f"AND type IN ({self.ids(tree.attribute)})"
            )
        if isinstance(tree, Refined):
            name = self._alias()
            return (
                f"SELECT {name}.id FROM concepts {name} WHERE {name}.id IN ({self.ids(tree.focus)}) "
                f"AND {self._condition(tree.condition, name, '')}"
            )
        raise TypeError(tree)

    def _related(self, tree: Related) -> str:
        if tree.operator == "^":
            known = ", ".join(map(str, self._properties(REFERENCE_SET)))
            any_set = isinstance(tree.of, Concept) and tree.of.code == "*"
            which = "" if any_set else f" AND value IN (SELECT code FROM concepts WHERE id IN ({self.ids(tree.of)}))"
            return f"SELECT concept FROM properties WHERE property IN ({known}){which}"
        everything = isinstance(tree.of, Concept) and tree.of.code == "*"
        if everything and tree.operator in ("<<", ">>", "<<!", ">>!"):
            return self.ids(tree.of)
        return "SELECT * FROM (" + _RELATED[tree.operator].format(self.ids(tree.of)) + ")"

    def _alias(self) -> str:
        self._aliases += 1
        return f"t{self._aliases}"

    def _condition(self, tree: Condition, concept: str, group: str) -> str:
        """A condition on the concept's row; group: the column of the relationship group that it must hold in."""
        if isinstance(tree, Both):
            left, right = self._condition(tree.left, concept, group), self._condition(tree.right, concept, group)
            return f"({left} {tree.operator} {right})"
        if isinstance(tree, Group):
            name = self._alias()
            inside = self._condition(tree.condition, concept, f"{name}.role_group")
            rows = f"FROM attributes {name} WHERE {name}.concept = {concept}.id AND {inside}"
            return _times(f"DISTINCT {name}.role_group", rows, tree.low, tree.high)
        return self._attribute(tree, concept, group)

    def _attribute(self, tree: Attribute, concept: str, group: str) -> str:
        name = self._alias()
        if isinstance(tree.value, float | int | str):
            return self._concrete(tree, tree.value, concept)
        if tree.comparison not in ("=", "!="):
            raise error("value", f"'{tree.comparison}' compares numbers; a set of concepts takes = or !=.")
        here, there = ("value", "concept") if tree.reverse else ("concept", "value")
        rows = f"FROM attributes {name} WHERE {name}.{here} = {concept}.id"
        if not (isinstance(tree.name, Concept) and tree.name.code == "*"):
            rows += f" AND {name}.type IN ({self.ids(tree.name)})"
        if not (isinstance(tree.value, Concept) and tree.value.code == "*"):
            negated = "NOT " if tree.comparison == "!=" else ""
            rows += f" AND {name}.{there} {negated}IN ({self.ids(tree.value)})"
        if group:
            rows += f" AND {name}.role_group = {group}"
        return _times(f"{name}.{there}", rows, tree.low, tree.high)

    def _concrete(self, tree: Attribute, value: float | str, concept: str) -> str:
        """Numbers and texts are kept as properties under the attribute's code, without their group."""
        if not isinstance(tree.name, Concept):
            raise error("not-supported", "In ECL, an attribute with a number or text as value must be named by its id.")
        known = ", ".join(map(str, self._properties(tree.name.code)))
        if not isinstance(value, str):
            compared = f"CAST(p.value AS REAL) {tree.comparison} {value!r}"
        elif tree.comparison in ("=", "!="):
            compared = f"p.value {tree.comparison} '{value.replace(chr(39), chr(39) * 2)}'"
        else:
            raise error("value", f"'{tree.comparison}' compares numbers; a text takes = or !=.")
        rows = f"FROM properties p WHERE p.concept = {concept}.id AND p.property IN ({known}) AND {compared}"
        return _times("p.value", rows, tree.low, tree.high)


def _times(counted: str, rows: str, low: int, high: int | None) -> str:
    if (low, high) == (1, None):
        return f"EXISTS (SELECT 1 {rows})"
    if (low, high) == (0, 0):
        return f"NOT EXISTS (SELECT 1 {rows})"
    most = f" AND (SELECT count({counted}) {rows}) <= {high}" if high is not None else ""
    return f"((SELECT count({counted}) {rows}) >= {low}{most})"

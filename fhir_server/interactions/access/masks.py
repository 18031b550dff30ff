"""What of a resource a caller may not see, by the policies' rules with the effect "mask".

Whatever a caller is given goes through shown(), at the ports (interactions/access/visible.py), so that reads, searches,
includes, history, operations and exports obey by construction. What asks by a hidden element is refused: an answer, a
count or an order would tell what it says. A rule with criteria hides where the criteria hold, or can't be told; by its
elements no search of the type is possible at all. Old versions are hidden by every rule of their type, as what a newer
version hides may be in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from fhir_server.codec.json import decode, serialize
from fhir_server.codec.masking import Masking, Tree, all_but, hides, joined, tree_of
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Write
from fhir_server.core.query import All, Chain, Clause, Has, InList, NarrativeHas, Not, Query, RefersWithin, TypeIn
from fhir_server.core.query import Any as AnyOf
from fhir_server.definitions import Definitions
from fhir_server.fhirpath.reading import EVERYTHING, RESOLVED, paths_read
from fhir_server.interactions.environment import Searching
from fhir_server.search.holding import Version, holds
from fhir_server.security.policies import RESOURCES, Policies, Rule

RESOURCE = "Resource"  # the type of elements that hold a resource: contained, Bundle.entry.resource


class Hidden(NamedTuple):
    """A tree of elements, and the clause that it is hidden by; None for always."""

    tree: Tree
    where: Clause | None


def hidden_by(rule: Rule, type: str, definitions: Definitions) -> Tree:
    """What a rule hides of a type."""
    return all_but(definitions, type, rule.only) if rule.only else tree_of(definitions, type, rule.fields)


def require_known(policies: Policies, definitions: Definitions) -> None:
    """FhirError "value" for a type that R4 does not have, and for a field that no type of its rule has."""
    for number, rule in enumerate(policies.rule, 1):
        types: list[str] = []
        for text in rule.resources:
            found = RESOURCES.match(text)
            assert found is not None
            if found[1] != "*" and not definitions.is_resource(found[1]):
                raise error("value", f"Rule {number} of the policies names '{found[1]}', which is no resource type.")
            types += definitions.resource_types if found[1] == "*" else (found[1],)
        for field in (*rule.fields, *rule.only):
            if not any(tree_of(definitions, type, (field,)) for type in types):
                raise error("value", f"Rule {number} of the policies: no type of it has an element '{field}' to hide.")


class Masks:
    """What is hidden from one caller. by_type: the rules of each type that has some."""

    def __init__(self, by_type: dict[str, list[Hidden]], searching: Searching) -> None:
        self._by_type = by_type
        self._searching = searching
        self._everything = {type: joined(each.tree for each in found) for type, found in by_type.items()}
        self._at_times = {type for type, found in by_type.items() if any(each.where is not None for each in found)}
        self._masking = Masking(searching.definitions, lambda type: self._everything.get(type, {}))
        self._names = [f'"resourceType":"{type}"'.encode() for type in by_type]
        self._fields: dict[tuple[str, str], bool] = {}

    def types(self) -> Iterable[str]:
        """The types of which something is hidden."""
        return self._everything

    # ------------------------------------------------------------------ showing
    def shown(self, version: StoredVersion, *, old: bool = False) -> StoredVersion:
        """The version as the caller may see it; old: it is, or may be, none that is current."""
        if version.deleted or not any(name in version.body for name in self._names):
            return version
        resource = decode(version.body)
        found = self._by_type.get(version.type, ())
        tree = self._everything.get(version.type, {}) if old else self._tree(found, version.type, version.id, resource)
        return _with_body(version, serialize(self._masking.masked(resource, tree)))

    def all_shown(self, versions: Iterable[StoredVersion], *, old: bool = False) -> list[StoredVersion]:
        """Each as the caller may see it."""
        return [self.shown(version, old=old) for version in versions]

    def _tree(self, found: Sequence[Hidden], type: str, id: str, resource: dict[str, Any]) -> Tree:
        if all(each.where is None for each in found):
            return joined(each.tree for each in found)
        version = Version(type, id, self._searching.extract(resource))
        return joined(e.tree for e in found if e.where is None or holds(e.where, version) is not False)

    # ------------------------------------------------------------------ writing
    def kept(self, write: Write, head: StoredVersion | None) -> Write:
        """The write with what is hidden kept as it is in head; FhirError "forbidden" where it would be changed."""
        before = head.body if head is not None else b""
        if not write.body or not any(name in write.body or name in before for name in self._names):
            return write
        sent, stored = decode(write.body), decode(before) if before else None
        found = self._by_type.get(write.type, ())
        trees = [self._tree(found, write.type, write.id, each) for each in (sent, stored) if each]
        merged = self._masking.merged(stored, sent, joined(trees))
        if merged == sent:
            return write
        return write._replace(body=serialize(merged), values=self._searching.extract(merged))

    # ------------------------------------------------------------------ asking
    def require_open(self, query: Query) -> None:
        """FhirError "forbidden" where the query asks by, or is in the order of, what is hidden."""
        self.require_clear(query.types, query.where)
        for key in query.sort:
            self._require(query.types, key.fields)

    def require_clear(self, types: Sequence[str], clause: Clause) -> None:
        """The same of a clause about resources of these types."""
        if isinstance(clause, All):
            for inner in clause.clauses:
                if isinstance(inner, TypeIn):
                    types = [type for type in types if type in inner.types]
            for inner in clause.clauses:
                self.require_clear(types, inner)
        elif isinstance(clause, Not):
            self.require_clear(types, clause.clause)
        elif isinstance(clause, AnyOf):
            for inner in clause.clauses:
                self.require_clear(types, inner)
        elif isinstance(clause, Chain):
            self._require(types, clause.fields)
            for target, inner in clause.targets:
                self.require_clear((target,), inner)
        elif isinstance(clause, Has):
            self._require((clause.source,), clause.fields)
            self.require_clear((clause.source,), clause.clause)
        elif isinstance(clause, InList):
            self._require(("List",), ("item",))
        elif isinstance(clause, NarrativeHas):
            # the whole content of any resource has that of resources in it, which are hidden by their own types
            asked = types if clause.scope == "text" else [*types, *self._everything]
            hidden = next((type for type in asked if type in self._everything), "")
            if hidden:
                raise error("forbidden", f"Parts of {hidden} are hidden from you, so you can't search it by its text.")
        else:
            if isinstance(clause, RefersWithin):
                self._require((clause.type,), clause.parents)
            self._require(types, getattr(clause, "fields", ()))

    def following(self, query: Query) -> Query:
        """The query without includes by references that are hidden: what shows has no such reference.

        FhirError "forbidden" where a reference is hidden in some resources only.
        """
        kept = []
        for include in query.includes:
            if include.source in self._at_times:
                self._require((include.source,), include.fields)
            fields = tuple([field for field in include.fields if not self._is_hidden(include.source, field)])
            if fields:
                kept.append(replace(include, fields=fields))
        return replace(query, includes=tuple(kept))

    def _require(self, types: Sequence[str], fields: Iterable[str]) -> None:
        for type in types:
            for field in fields:
                if field and self._is_hidden(type, field):
                    raise error(
                        "forbidden",
                        f"What '{field}' of {type} tells is hidden from you, so you can't search or sort by it.",
                    )

    def _is_hidden(self, type: str, field: str) -> bool:
        name = field.partition(":")[0]
        if name.startswith("#"):
            type, _, name = name[1:].partition(".")
        if not name:
            return False
        key = (type, name)
        if key not in self._fields:
            self._fields[key] = any(self._hides(type, path) for path in self._read(type, name))
        return self._fields[key]

    def _hides(self, type: str, path: tuple[str, ...]) -> bool:
        """Whether what is read at a path of a type has something hidden in it, or in a resource on the way."""
        tree = self._everything.get(type, {})
        if path == EVERYTHING or (tree and path[0] == "text") or hides(tree, path):
            return True
        for at, name in enumerate(path, 1):
            known = self._searching.definitions.properties(type).get(name)
            if name == RESOLVED or (known is not None and known.type.code == RESOURCE):
                within = path[at:]  # () for which resource it is, which is not hidden
                return bool(within) and any(hides(inner, within) for inner in self._everything.values())
            if known is None:
                return False
            type = known.type.code
        return False

    def _read(self, type: str, field: str) -> set[tuple[str, ...]]:
        known = self._searching.fields.of(type).fields.get(field)
        if known is None:
            return set() if field in ("_id", "_lastUpdated", "_source") else {()}
        expressions = [f"{path}.{inner}" for path in known.paths for part in known.components for inner in part.paths]
        return set[tuple[str, ...]]().union(*map(paths_read, expressions or known.paths))


def _with_body(version: StoredVersion, body: bytes) -> StoredVersion:
    return StoredVersion(version.type, version.id, version.version, version.seq, version.updated, version.method, body)

"""Which field each path that search parameters read is indexed as."""

from __future__ import annotations

from typing import NamedTuple


class FieldComponent(NamedTuple):
    """One part of a composite field: the search type it is compared as, and its paths from the composite's base."""

    kind: str
    paths: tuple[str, ...]


class IndexField(NamedTuple):
    """One thing to index: kind is the search type; paths are FHIRPath from the resource; components of a composite."""

    name: str
    kind: str
    paths: tuple[str, ...]
    components: tuple[FieldComponent, ...] = ()


class Branch(NamedTuple):
    """A path as one parameter reads it; two branches that are equal are indexed once."""

    path: str
    kind: str
    components: tuple[FieldComponent, ...]


Branches = dict[Branch, str]  # what a parameter reads -> the type it must name there, "" for any


class Assignment:
    """Branches to fields: those that the very same official parameters read are one field."""

    def __init__(self, branches: dict[str, Branches]) -> None:
        self.fields: dict[str, IndexField] = {}
        self._holds: dict[str, set[Branch]] = {}
        readers: dict[Branch, list[str]] = {}
        for code, found in branches.items():
            for branch in found:
                readers.setdefault(branch, []).append(code)
        groups: dict[tuple, list[Branch]] = {}
        for branch, codes in readers.items():
            groups.setdefault((branch.kind, branch.components, *codes), []).append(branch)
        for group in groups.values():
            name = self._name(group, branches)
            self._holds[name] = set(group)
            self.fields[name] = _field(name, group)

    def fields_of(self, branches: Branches) -> tuple[str, ...]:
        """The official fields that hold these branches and nothing else."""
        return tuple(name for name, held in self._holds.items() if held <= branches.keys())

    def add(self, code: str, branches: Branches) -> tuple[str, ...]:
        """The fields of a custom parameter: official ones, and one of its own for what they don't hold."""
        names = self.fields_of(branches)
        held = set[Branch]().union(*(self._holds[name] for name in names))
        left = [branch for branch in branches if branch not in held]
        if left:
            name = f"{code}.custom" if code in self._holds else code
            self.fields[name] = _field(name, left)
            names = (*names, name)
        return names

    def _name(self, group: list[Branch], branches: dict[str, Branches]) -> str:
        """After the parameter of the element's own name, or one that reads this alone, if it can be unrestricted.

        Else after the only one that reads this, if nothing else is.
        """
        element = group[0].path.rpartition(".")[2]
        readers = [code for code, found in branches.items() if group[0] in found]
        exact = [code for code in readers if branches[code].keys() == set(group)]
        free = [code for code in exact if not any(branches[code].values())]
        only = readers if len(readers) == 1 else []
        for name in [code for code in readers if code == element] + free + exact + only:
            if name not in self.fields:
                return name
        number = 1
        while (name := f"{readers[0]}.{number}") in self.fields:
            number += 1
        return name


def _field(name: str, branches: list[Branch]) -> IndexField:
    return IndexField(name, branches[0].kind, tuple(branch.path for branch in branches), branches[0].components)

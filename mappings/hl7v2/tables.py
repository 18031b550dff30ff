"""The tables in force: HL7's, over them ours, over them a site's, over them a sender's.

A folder of ours or of a site has any of these files, each with a header line:

    maps.csv       map,source,condition,target,…       rows of maps; they replace all rows of the same source
    messages.csv   structure,path,condition,target,map,references   rows of messages; they replace those of the same map
    codes.csv      table,code,target,display,system             codes of a vocabulary table
    systems.csv    name,uri                                     code systems (MSH table 0396) and assigning authorities
    choices.csv    structure,map,use,why                        rows of messages that are used or not (* is all)
    structures.csv structure,like                               structures that are read as another
"""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import zstandard

from fhir_server.core.errors import error
from mappings.hl7v2.conditions import Operand
from mappings.hl7v2.rules import HL7, OURS, SITE, Row, Rule, check

FILES: dict[str, tuple[str, ...]] = {
    "maps.csv": ("map", "source", "condition", "target", "type_map", "vocabulary", "assignment", "comment"),
    "messages.csv": ("structure", "path", "condition", "target", "map", "references", "comment"),
    "codes.csv": ("table", "code", "target", "display", "system"),
    "systems.csv": ("name", "uri"),
    "choices.csv": ("structure", "map", "use", "why"),
    "structures.csv": ("structure", "like"),
}


class MessageRow(NamedTuple):
    """A row of a message: a segment at a path makes, or adds to, a resource by a map."""

    path: str
    condition: str
    target: str
    map: str
    references: str
    narrative: str = ""
    origin: str = HL7


class Map(NamedTuple):
    """A map, read: the rules of each field, those that read none, and the rows that can't be applied."""

    by_field: dict[int, list[Rule]]
    constants: list[Rule]
    left_out: list[tuple[Row, str]]
    absent: frozenset[int]  # the fields with rules for where they are empty
    pure: bool  # whether what it makes depends on the value alone
    needs: tuple[tuple[Operand, frozenset[str]], ...]  # the values that conditions of its rules need, by operand
    plans: dict[Any, Any]  # the rules for each shape of segment, kept by plans.py
    told: dict[Any, Any]  # what the texts of fields say of these values, kept by plans.py
    latest: list[Any]  # the lines by which segments were laid last, kept by applying.py


class Tables:
    """All tables, overlaid; rules are read on first use."""

    def __init__(self, folders: Iterable[tuple[str, Any]] = ()) -> None:
        official = _official()
        self._rows: dict[str, list[Row]] = {
            name: [Row(*row, origin=HL7) for row in rows] for name, rows in official["maps"].items()
        }
        self.messages: dict[str, list[MessageRow]] = {
            name: [MessageRow(*row) for row in entry["rows"]] for name, entry in official["messages"].items()
        }
        self.structures: dict[str, list[Any]] = {
            name: entry["structure"] for name, entry in official["messages"].items()
        }
        self.codes: dict[str, dict[str, tuple[str, str, str]]] = {
            _plain(name): {code: tuple(entry) for code, entry in table.items()}
            for name, table in official["codes"].items()
        }
        self.systems: dict[str, str] = {}
        self.choices: dict[tuple[str, str], tuple[bool, str]] = {}
        self.like: dict[str, str] = {}
        for origin, folder in [(OURS, resources.files(__package__ or "mappings.hl7v2").joinpath("ours")), *folders]:
            self._overlay(origin, folder)
        self._names = {name.lower(): name for name in self._rows}
        self._maps: dict[str, Map] = {}
        self.values: dict[Any, Any] = {}  # what pure maps made of values, kept by the engine
        self.lines: dict[Any, Any] = {}  # what segments made of several values, kept by lines.py

    def map(self, name: str) -> Map | None:
        """The map of this name, whatever its capitals; None where no table has it."""
        found = self._maps.get(name)
        if found is None:
            known = self._names.get(name.lower())
            if known is None:
                return None
            rules, left_out = check(known, self._rows[known])
            absent = frozenset(rule.field for rule in rules if rule.absent)
            pure = all(map(_is_pure, rules))
            found = self._maps[name] = Map({}, [], left_out, absent, pure, _needs(rules), {}, {}, [])
            for rule in rules:
                if rule.field:
                    found.by_field.setdefault(rule.field, []).append(rule)
                else:
                    found.constants.append(rule)
            if any("-" in rule.row.source for rule in rules):  # fields of a segment, in their order
                ordered = dict(sorted(found.by_field.items()))
                found.by_field.clear()
                found.by_field.update(ordered)
        return found

    def rows(self, name: str) -> list[Row]:
        """The rows of a map, as the tables in force state them."""
        return self._rows[name]

    def names(self) -> list[str]:
        """The maps there are."""
        return sorted(self._rows)

    def code(self, table: str, code: str) -> tuple[str, str, str] | None:
        """(code, display, system) for a code of a vocabulary table, which some write in small letters; None where the
        table maps it to nothing."""
        known = self.codes.get(_plain(table), {})
        return known.get(code) or known.get(code.upper())

    def used(self, structure: str, map_name: str) -> bool:
        """Whether the rows of a map are used in a message."""
        chosen = self.choices.get((structure, map_name)) or self.choices.get(("*", map_name))
        return chosen is None or chosen[0]

    def _overlay(self, origin: str, folder: Any) -> None:
        replaced: set[tuple[str, str]] = set()
        for row in _read(folder, "maps.csv"):
            name, source = row[0], row[1]
            rows = self._rows.setdefault(name, [])
            if source and (name, source) not in replaced:
                replaced.add((name, source))
                rows[:] = [one for one in rows if one.source != source]
            if row[3]:
                rows.append(Row(*row[1:8], origin=origin))
        for structure, path, condition, target, map_name, references, comment in _read(folder, "messages.csv"):
            rows_of = self.messages.setdefault(structure, [])
            if ("message", structure + path + map_name) not in replaced:
                replaced.add(("message", structure + path + map_name))
                rows_of[:] = [one for one in rows_of if (one.path, one.map) != (path, map_name)]
            if target:
                rows_of.append(MessageRow(path, condition, target, map_name, references, comment, origin))
        for table, code, target, display, system in _read(folder, "codes.csv"):
            codes = self.codes.setdefault(_plain(table), {})
            if target:
                codes[code] = (target, display, system)
            else:
                codes.pop(code, None)
        self.systems.update((name.upper(), uri) for name, uri in _read(folder, "systems.csv"))
        for structure, map_name, use, why in _read(folder, "choices.csv"):
            self.choices[structure, map_name] = (use.lower() in ("yes", "y", "true", "1"), why)
        self.like.update((row[0], row[1]) for row in _read(folder, "structures.csv"))


class SiteTables:
    """The tables of a site and of one sender, read again when a file of theirs changes; no restart is needed."""

    def __init__(self, *folders: str | Path) -> None:
        self._folders = [Path(folder) for folder in folders if str(folder)]
        self._stamp: tuple[Any, ...] | None = None
        self._tables: Tables | None = None

    def current(self) -> Tables:
        """The tables; FhirError "value" where a file can't be read, which names it and its line."""
        stamp = tuple(_stamp(folder / name) for folder in self._folders for name in FILES)
        if self._tables is None or stamp != self._stamp:
            self._tables = Tables([(SITE, folder) for folder in self._folders])
            self._stamp = stamp
        return self._tables


def _is_pure(rule: Rule) -> bool:
    """Whether a rule of a data type reads nothing but its value and makes no resource beside it."""
    if rule.stable or "MSG" in rule.row.condition or rule.target.own not in ("", "1"):
        return False
    return not any(step.refers for step in rule.target.steps) and rule.target.type != "Reference"


def _needs(rules: list[Rule]) -> tuple[tuple[Operand, frozenset[str]], ...]:
    """The operands that the rules' conditions need, each with all the values that they ask for."""
    found: dict[Operand, frozenset[str]] = {}
    for need in [need for rule in rules for need in rule.needs]:
        found[need.operand] = found.get(need.operand, frozenset()) | need.values
    return tuple(found.items())


@functools.cache
def standard() -> Tables:
    """The tables without a site's."""
    return Tables()


@functools.cache
def _official() -> dict[str, Any]:
    packed = resources.files(__package__ or "mappings.hl7v2").joinpath("tables.msgpack.zst").read_bytes()
    return msgspec.msgpack.decode(zstandard.decompress(packed))


@functools.cache
def _plain(table: str) -> str:
    return "".join(character for character in table if character.isalnum() or character in "[].").lower()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _read(folder: Any, name: str) -> list[tuple[str, ...]]:
    """The rows of a file, padded to its columns; [] where there is no such file."""
    path = folder.joinpath(name)
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as problem:
        raise error("value", f"{path}: can't be read as UTF-8 text.") from problem
    columns = FILES[name]
    rows = []
    for number, row in enumerate(csv.reader(io.StringIO(text))):
        if number == 0:
            if tuple(cell.strip() for cell in row) != columns:
                raise error("value", f"{path}: the first line must be {','.join(columns)}.")
            continue
        if not row or not any(row) or row[0].startswith("#"):
            continue
        if len(row) > len(columns):
            raise error("value", f"{path}, line {number + 1}: {len(row)} columns where {len(columns)} are known.")
        rows.append(tuple(cell.strip() for cell in [*row, *[""] * (len(columns) - len(row))]))
    return rows

"""De-identification of a resource, and of what is in a Bundle, by rules (safe_harbor.toml).

A pseudonym is an HMAC with the server's secret: the same each time, so that references still lead somewhere. Dates are
shifted by a number of days of each patient's own, so that intervals stay.
"""

from __future__ import annotations

import copy
import datetime
import hashlib
import hmac
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from fhir_server.codec.references import parse_reference, references, rewrite
from fhir_server.core.errors import error
from fhir_server.core.flushing import flush
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import FhirPathError, compile_path
from fhir_server.security.deidentification.rules import DeidentifyRule

Resource = dict[str, Any]
KEY_FILE = "deidentify.key"
OLDEST = 89  # years
MOST_DAYS = 365
STEP = re.compile(r"([A-Za-z0-9_]+)(?:\[(\d+)\])?")
# first three digits of ZIP codes for 20,000 people or fewer (census of 2000; HHS guidance on 164.514(b)(2))
SMALL_ZIPS = frozenset({"036", "692", "878", "059", "790", "879", "063", "821", "884", "102", "823", "890", "203",
                        "830", "893", "556", "831"})  # fmt: skip
LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "PSEUDED"}


def key_of(folder: Path) -> bytes:
    """The secret of a data folder, made where there is none. Who has it can link pseudonyms with ids."""
    path = folder / KEY_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        file.write(made := os.urandom(32))
    flush(path)
    return made


class Deidentifier:
    """dates: shift, or year for nothing of a date but its year; today: from which ages count."""

    def __init__(
        self,
        definitions: Definitions,
        rules: Sequence[DeidentifyRule],
        key: bytes,
        today: datetime.date,
        dates: str = "shift",
    ) -> None:
        if dates not in ("shift", "year"):
            raise error("value", f"dates must be shift or year, not '{dates[:40]}'.", location="dates")
        self._definitions = definitions
        self._rules = rules
        self._key = key
        self._today = today
        self._dates = dates

    def __call__(self, resource: Resource) -> Resource:
        """A new resource; of a Bundle one with each of its resources. FhirError "invalid" where it is none."""
        type = resource.get("resourceType")
        if not isinstance(type, str) or not self._definitions.is_resource(type):
            raise error("invalid", "What is to be de-identified must be a resource with a resourceType of R4.")
        if type != "Bundle":
            return self._cleaned(resource, type)
        made: Resource = {"resourceType": "Bundle", "type": resource.get("type", "collection")}
        entries = [entry for entry in resource.get("entry", ()) if isinstance(entry, dict)]
        entries = [entry for entry in entries if isinstance(entry.get("resource"), dict)]
        made["entry"] = [{"resource": self(each)} for each in _by_ids(entries)]
        return made

    def _cleaned(self, resource: Resource, type: str) -> Resource:
        made = copy.deepcopy(resource)
        days = self._days(resource)
        elements: dict[str, list[tuple[str, Any]]] = {type: [(type, resource)]}
        self._gather(elements, resource, type, type)
        decided: dict[str, str] = {}
        try:
            for rule in self._rules:
                for of in rule.on:
                    for path, element in elements.get(of, ()):
                        for place in self._reached(rule.fhirpath, of, path, element):
                            decided.setdefault(place, rule.action)
        except FhirPathError as problem:
            raise error("invalid", f"{type} can't be de-identified: {problem}.") from None
        for path in sorted(decided, key=_depth):
            if decided[path] != "keep":
                self._apply(made, path, decided[path], days)
        made = _without_gaps(made)
        meta = made.setdefault("meta", {})
        meta["security"] = [*meta.get("security", ()), LABEL]
        return {**{name: made[name] for name in ("resourceType", "id", "meta") if name in made}, **made}

    def _gather(self, found: dict[str, list[tuple[str, Any]]], node: Resource, type: str, path: str) -> None:
        """Every element below a node by its type, with its path in JSON's names."""
        properties = self._definitions.properties(type)
        for name in node:
            known = properties.get(name.removeprefix("_"))
            if known is None:
                continue
            property = name.removeprefix("_")
            if name != property:
                self._gather_twins(found, node[name], f"{path}.{name}")
            value = node.get(property, node[name])
            parts = enumerate(value) if isinstance(value, list) else ((None, value),)
            for number, each in parts:
                place = f"{path}.{property}" + (f"[{number}]" if number is not None else "")
                code = known.type.code
                if isinstance(each, dict) and not known.primitive:
                    code = each.get("resourceType", "") if code == "Resource" else code
                    if code in self._definitions.types:
                        found.setdefault(code, []).append((place, each))
                        self._gather(found, each, code, place)
                elif known.primitive:
                    found.setdefault(code, []).append((place, each))

    def _gather_twins(self, found: dict[str, list[tuple[str, Any]]], twins: Any, path: str) -> None:
        """What stands beside the values of a primitive element, as an element."""
        for number, each in enumerate(twins) if isinstance(twins, list) else ((None, twins),):
            if isinstance(each, dict):
                self._gather(found, each, "Element", path + (f"[{number}]" if number is not None else ""))

    def _reached(self, expressions: Sequence[str], type: str, path: str, element: Any) -> Iterator[str]:
        for expression in expressions:
            if expression == "$this":
                yield path
                continue
            for result in compile_path(expression, self._definitions, type).evaluate(element):
                if result.path:
                    yield path + result.path[len(type) :]

    def _apply(self, root: Resource, path: str, action: str, days: int) -> None:
        node: Any = root
        steps = STEP.findall(path.partition(".")[2])
        for name, number in steps[:-1]:
            node = _child(node, name, number)
            if not isinstance(node, dict):
                return
        name, number = steps[-1]
        property = _property(node, name)
        if property is None:
            return
        twin = f"_{property}"
        if number:
            listed, twins = node.get(property), node.get(twin)
            at = int(number)
            if isinstance(listed, list) and at < len(listed):
                listed[at] = None if action == "remove" else self._changed(action, listed[at], days)
            if isinstance(twins, list) and at < len(twins):
                twins[at] = None
            return
        node.pop(twin, None)
        if property not in node:
            return
        value = None if action == "remove" else self._changed(action, node[property], days)
        if value is None:
            del node[property]
        else:
            node[property] = value

    # ------------------------------------------------------------------ actions
    def _changed(self, action: str, value: Any, days: int) -> Any:
        if action == "pseudonym":
            return self._pseudonym(str(value))
        if action == "reference":
            return self._reference(str(value))
        if action == "zip":
            front = str(value)[:3]
            return front if front.isdigit() and len(front) == 3 and front not in SMALL_ZIPS else "000"
        if action == "over-89":
            return value if isinstance(value, (int, Decimal)) and value <= OLDEST else OLDEST + 1
        if action == "birth":
            oldest = self._today.year - OLDEST - 1
            if int(str(value)[:4] or 0) <= oldest:
                return str(oldest)
        return str(value)[:4] if self._dates == "year" else _shifted(str(value), days)

    def _pseudonym(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:32]

    def _reference(self, text: str) -> str | None:
        if text.startswith("#"):
            return f"#{self._pseudonym(text[1:])}"
        local = parse_reference(text)
        return f"{local.type}/{self._pseudonym(local.id)}" if local else None

    def _days(self, resource: Resource) -> int:
        """By how much the dates of its patient's record are shifted back."""
        who = resource.get("id", "") if resource["resourceType"] == "Patient" else ""
        for _, text in references(resource) if not who else ():
            local = parse_reference(text)
            if local is not None and local.type == "Patient":
                who = local.id
                break
        digest = hmac.new(self._key, f"days {who}".encode(), hashlib.sha256).digest()
        return 1 + int.from_bytes(digest[:4]) % MOST_DAYS


def _depth(path: str) -> int:
    return path.count(".")


def _property(node: Resource, name: str) -> str | None:
    """The JSON property of an element, which has its type in its name for a choice."""
    if name in node or f"_{name}" in node:
        return name
    for known in node:
        bare = known.removeprefix("_")
        if bare.startswith(name) and bare[len(name) : len(name) + 1].isupper():
            return bare
    return None


def _child(node: Resource, name: str, number: str) -> Any:
    property = _property(node, name)
    value = node.get(property) if property else None
    if number and isinstance(value, list):
        return value[int(number)] if int(number) < len(value) else None
    return value


def _shifted(text: str, days: int) -> str | None:
    """A date earlier by so many days; of a year or a month what is left of it."""
    for length, form in ((10, "%Y-%m-%d"), (7, "%Y-%m"), (4, "%Y")):
        try:
            moved = datetime.datetime.strptime(text[:length], form) - datetime.timedelta(days)
        except (ValueError, OverflowError):
            continue
        return moved.strftime(form).rjust(length, "0") + text[length:]
    return None


def _by_ids(entries: Sequence[Resource]) -> list[Resource]:
    """The resources of entries, which refer to one another by type and id instead of by fullUrl."""
    named: dict[str, str] = {}
    resources = []
    for entry in entries:
        resource, url = entry["resource"], entry.get("fullUrl")
        if isinstance(url, str):
            id = resource.get("id") or re.split("[/:]", url)[-1]
            resource = {**resource, "id": id}
            named[url] = f"{resource.get('resourceType')}/{id}"
        resources.append(resource)
    resources = copy.deepcopy(resources)
    for resource in resources:
        rewrite(resource, named)
    return resources


def _without_gaps(node: Any) -> Any:
    """Without empty elements, and without those of arrays that were removed."""
    if isinstance(node, dict):
        found = {name: _without_gaps(value) for name, value in node.items()}
        for name, values in node.items():
            twins = node.get(f"_{name}")
            if isinstance(values, list) and isinstance(twins, list):
                found[name], found[f"_{name}"] = _in_step(values, twins)
        return {name: value for name, value in found.items() if value not in (None, {}, [])}
    if isinstance(node, list):
        return [value for each in node if (value := _without_gaps(each)) not in (None, {}, [])]
    return node


def _in_step(values: list[Any], twins: list[Any]) -> tuple[list[Any], list[Any]]:
    """Primitive values and what stands beside each, without the places where neither is left."""
    pairs = itertools.zip_longest(values, map(_without_gaps, twins))
    left = [(value, twin or None) for value, twin in pairs if value is not None or twin]
    values, twins = [value for value, _ in left], [twin for _, twin in left]
    return (values if any(each is not None for each in values) else []), (twins if any(twins) else [])

"""R4's search rules in plain Python over parsed JSON, to work out by a way of its own what a server should find."""

from __future__ import annotations

import calendar
import math
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

Resource = dict[str, Any]
Span = tuple[datetime, datetime]  # from the first moment up to the first after it

EVER = datetime(1, 1, 2, tzinfo=UTC)
NEVER = datetime(9999, 12, 30, tzinfo=UTC)


def walk(node: Any, path: str) -> Iterator[Any]:
    """All values at a path such as code.coding, through lists."""
    if isinstance(node, list):
        for child in node:
            yield from walk(child, path)
    elif not path:
        if node is not None:
            yield node
    elif isinstance(node, dict):
        first, _, rest = path.partition(".")
        yield from walk(node.get(first), rest)


def has_code(node: Any, path: str, *codes: str, system: str | None = None) -> bool:
    """Whether a CodeableConcept at the path has one of the codes (any code for none)."""
    return any(
        (not codes or coding.get("code") in codes) and (system is None or coding.get("system") == system)
        for coding in walk(node, f"{path}.coding")
    )


def folded(text: str) -> str:
    """Without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def starts(node: Any, paths: Iterable[str], text: str) -> bool:
    """String search: some value begins with the text, without case and accents."""
    return any(folded(value).startswith(folded(text)) for path in paths for value in walk(node, path))


def refers(node: Any, path: str, target: str) -> bool:
    """Whether a Reference at the path is to Type/id."""
    return target in references(node, path)


def references(node: Any, path: str) -> list[str]:
    """What the References at the path name: Type/id."""
    return [value for value in walk(node, f"{path}.reference") if isinstance(value, str)]


def span(text: str) -> Span:
    """The moments that a date or time stands for, by its precision; UTC where it has no zone."""
    if len(text) == 4:
        return _day(int(text), 1, 1), _day(int(text) + 1, 1, 1)
    if len(text) == 7:
        year, month = int(text[:4]), int(text[5:])
        return _day(year, month, 1), _day(year, month, 1) + timedelta(days=calendar.monthrange(year, month)[1])
    if len(text) == 10:
        start = datetime.fromisoformat(text).replace(tzinfo=UTC)
        return start, start + timedelta(days=1)
    start = datetime.fromisoformat(text)
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    precision = timedelta(milliseconds=1) if "." in text else timedelta(seconds=1)
    return start, start + (timedelta(minutes=1) if text[10:].count(":") == 1 else precision)


def _day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def spans(node: Any, *paths: str) -> list[Span]:
    """The dates, times and Periods at these paths."""
    found = []
    for path in paths:
        for value in walk(node, path):
            if isinstance(value, dict):
                start = span(value["start"])[0] if "start" in value else EVER
                found.append((start, span(value["end"])[1] if "end" in value else NEVER))
            else:
                found.append(span(value))
    return found


def compares(prefix: str, found: Span, asked: str) -> bool:
    """The table of prefixes at https://hl7.org/fhir/R4/search.html#prefix, over two spans."""
    (low, high), (start, end) = found, span(asked)
    equal = start <= low and high <= end
    return {
        "eq": equal,
        "ne": not equal,
        "gt": high > end,
        "lt": low < start,
        "ge": high > end or equal,
        "le": low < start or equal,
        "sa": low >= end,
        "eb": high <= start,
    }[prefix]


def dated(node: Any, path: str | tuple[str, ...], prefix: str, asked: str) -> bool:
    """Whether a date at one of the paths stands in the relation to the asked one."""
    paths = (path,) if isinstance(path, str) else path
    return any(compares(prefix, found, asked) for found in spans(node, *paths))


def kilometres(latitude: float, longitude: float, position: Resource) -> float:
    """The distance of a Location.position over the Earth's sphere."""
    there, here = math.radians(float(position["latitude"])), math.radians(latitude)
    across = math.radians(float(position["longitude"]) - longitude) / 2
    half = math.sin((there - here) / 2) ** 2 + math.cos(there) * math.cos(here) * math.sin(across) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(half))


class Records:
    """Resources by type and by Type/id, their references resolved as a transaction resolves them."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.by_type: dict[str, list[Resource]] = {}
        self.by_reference: dict[str, Resource] = {}
        names: dict[str, str] = {}
        for entry in entries:
            resource = entry["resource"]
            reference = f"{resource['resourceType']}/{resource['id']}"
            names[entry["fullUrl"]] = reference
            for identifier in resource.get("identifier", ()):
                names[f"{resource['resourceType']}?identifier={identifier.get('system')}|{identifier['value']}"] = (
                    reference
                )
            self.by_type.setdefault(resource["resourceType"], []).append(resource)
            self.by_reference[reference] = resource
        self._resolve([entry["resource"] for entry in entries], names)

    def _resolve(self, node: Any, names: dict[str, str]) -> None:
        if isinstance(node, list):
            for child in node:
                self._resolve(child, names)
        elif isinstance(node, dict):
            if isinstance(node.get("reference"), str):
                node["reference"] = names.get(node["reference"], node["reference"])
            for child in node.values():
                self._resolve(child, names)

    def __getitem__(self, type: str) -> list[Resource]:
        return self.by_type[type]

    def target(self, node: Any, path: str) -> Resource:
        """The first resource that the References at the path name; {} for none."""
        return next((self.by_reference[name] for name in references(node, path) if name in self.by_reference), {})

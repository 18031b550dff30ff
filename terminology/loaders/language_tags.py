"""The IANA language subtag registry, by which language tags are checked.

https://www.iana.org/assignments/language-subtag-registry
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fhir_server.core.errors import error
from terminology.grammars.bcp47 import REGISTRY, registry_code
from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.model import INACTIVE, Designation, Property, Record, SystemInfo

_NAMES = {"redundant": "grandfathered"}
_PROPERTIES = ("Suppress-Script", "Macrolanguage", "Prefix", "Preferred-Value", "Deprecated", "Scope")

Fields = dict[str, list[str]]


def blocks(source: Path) -> Iterator[Fields]:
    """The records of the registry, each field with its values."""
    fields: Fields = {}
    last = ""
    with source.open(encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if line == "%%":
                yield fields
                fields = {}
            elif line.startswith(" ") and last:
                fields[last][-1] += " " + line.strip()
            else:
                last, _, value = line.partition(": ")
                fields.setdefault(last, []).append(value.strip())
    yield fields


def records(source: Path) -> Iterator[Record]:
    """A concept for each subtag, coded kind:subtag; private use ranges are left to the grammar."""
    for fields in blocks(source):
        kind = fields.get("Type", [""])[0]
        subtag = (fields.get("Subtag") or fields.get("Tag") or [""])[0]
        if not kind or ".." in subtag:
            continue
        first, *others = fields["Description"]
        yield Record(
            registry_code(_NAMES.get(kind, kind), subtag),
            first,
            flags=INACTIVE if "Deprecated" in fields else 0,
            designations=tuple(Designation(other, "en") for other in others),
            properties=(
                Property("subtag", "code", subtag),
                *(Property(name, "string", value) for name in _PROPERTIES for value in fields.get(name, ())),
            ),
        )


def plan(source: Path, options: Options) -> Plan:
    """The version is the file's date."""
    date = next(blocks(source)).get("File-Date")
    if not date:
        raise error("unprocessable", f"{source.name} is not IANA's language-subtag-registry: it has no File-Date.")
    info = SystemInfo(REGISTRY, date[0], "IANA language subtag registry", case_sensitive=False)
    return Plan(info, (Stage("subtags", "records", lambda: records(source)),))


LOADER = Loader(
    "bcp47", "Language tags (BCP 47)", "IANA's file language-subtag-registry (text)", {}, plan
)  # fmt: skip

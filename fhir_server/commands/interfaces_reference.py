"""docs/reference/hl7v2-interfaces.md, made from the structs of the interfaces file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec

from interfaces.hl7v2.configuration import Destination, Folder, Interfaces, Listener, Sender, Tls

HEAD = """# The file of HL7 v2 interfaces

<!-- Made from interfaces/hl7v2/configuration.py by `make docs`. -->

A TOML file that `--hl7 FILE`, `HMS_HL7` or `hl7` in the settings names. A name that does not exist or a value that is
not possible ends the start with a message that says so. [How to use it](../how-to/hl7v2.md).

```toml
application = "HMS"
facility = "HOSPITAL"

[listener.lab]
port = 2575
host = "0.0.0.0"

[sender.default]
unknown_patient = "create"

[sender."LAB|HOSPITAL"]
unknown_patient = "wait"

[destination.pharmacy]
host = "pharmacy.example.org"
port = 2575
subscribe = ["Patient", "MedicationRequest?status=active"]
```
"""
TABLES: dict[str, tuple[type[msgspec.Struct], str]] = {
    "The top of the file": (Interfaces, ""),
    "[listener.NAME]": (Listener, ""),
    "[folder.NAME]": (Folder, ""),
    '[sender."APPLICATION|FACILITY"]': (
        Sender,
        "Of MSH-3 and MSH-4, each up to its first component; `[sender.APPLICATION]` holds for all its facilities, "
        "`[sender.default]` for those without a table.",
    ),
    "[destination.NAME]": (Destination, ""),
    "tls = { … } of a listener or destination": (Tls, ""),
}


def interfaces_page() -> str:
    """The page as Markdown."""
    return HEAD + "".join(_table(title, *what) for title, what in TABLES.items())


def _table(title: str, struct: type[msgspec.Struct], about: str) -> str:
    rows = []
    for field in msgspec.structs.fields(struct):
        kind, meta = get_args(field.type)[:2] if get_args(field.type) else (field.type, None)
        text = getattr(meta, "description", "").replace("|", "\\|")
        rows.append(f"| `{field.name}` | {_default(field)} | {_kind(kind)} | {text} |")
    lines = ["", f"## {title}", "", *([about, ""] if about else []), "| name | default | is | meaning |",
             "| --- | --- | --- | --- |", *rows, ""]  # fmt: skip
    return "\n".join(lines)


def _default(field: Any) -> str:
    if field.default is msgspec.NODEFAULT:
        return "must be given" if field.default_factory is msgspec.NODEFAULT else "none"
    value = field.default
    if value is None or str(value) in ("", ".") or value == ():
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{', '.join(value) if isinstance(value, tuple) else value}`"


def _kind(kind: Any) -> str:
    choices = get_args(kind)
    if choices and all(isinstance(each, str | int) for each in choices):
        return " or ".join(f"`{each}`" for each in choices)
    simple = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
    if kind in simple:
        return simple[kind]
    name = str(kind)
    return "tables" if "dict" in name else "list of texts" if "tuple" in name else "path" if "Path" in name else "table"

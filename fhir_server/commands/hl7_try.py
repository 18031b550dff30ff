"""hms hl7 try: what a message would become, field by field, with the rule that did it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_server.core.errors import error

if TYPE_CHECKING:
    from mappings.hl7v2.translation import Translation

File = Annotated[Path, typer.Argument(metavar="FILE", help="A message; - reads standard input.", show_default=False)]
Tables = Annotated[
    list[Path] | None,
    typer.Option(help="A folder of mapping tables of your own; several may be given.", metavar="FOLDER"),
]
AsBundle = Annotated[bool, typer.Option("--bundle", help="Print the transaction as FHIR JSON instead.")]


def try_message(file: File, tables: Tables = None, bundle: AsBundle = False) -> None:
    """Show what a message would become in an empty store; nothing is sent and nothing is kept.

    Of a batch each message is shown. The exit code is 1 where one could not be applied.
    """
    from interfaces.hl7v2.exchange.batches import is_batch, read_batch, split
    from mappings.hl7v2.tables import SiteTables

    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as problem:
        raise error("value", f"{file} can't be read: {problem.strerror}.") from problem
    for folder in tables or ():
        if not folder.is_dir():
            raise error("value", f"{folder} is no folder.")
    in_force = SiteTables(*(tables or ())).current()
    batch = read_batch(raw) if is_batch(raw) else None
    failed = False
    for number, message in enumerate(batch.messages if batch else split(raw)):
        if number and not bundle:
            print()
        failed |= not _tried(message, in_force, bundle)
    for problem in batch.problems if batch else ():
        failed = True
        print(f"error    {problem}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def _tried(raw: bytes, tables: Any, bundle: bool) -> bool:
    """Prints what a message would become; whether it would be applied."""
    from fhir_server.codec import json
    from interfaces.hl7v2.er7 import parse
    from interfaces.hl7v2.queries import is_query
    from mappings.hl7v2.translating import translate

    message = parse(raw)
    if is_query(message):
        print(f"{message.type}^{message.event} is a query: it is answered from what is stored, and changes nothing.")
        return True
    found = asyncio.run(translate(message, tables, trace=True))
    if bundle:
        print(json.serialize(found.bundle or {"resourceType": "Bundle", "type": "transaction"}).decode())
        for text in found.errors:
            print(f"error    {text}", file=sys.stderr)
        return not found.errors
    print(f"{message.type}^{message.event} read as {found.structure}")
    print_trace(found)
    for text in found.errors:
        print(f"error    {text}")
    for text in found.issues:
        print(f"warning  {text}")
    return not found.errors


def print_trace(found: Translation) -> None:
    """One line an element: the field, its value, the element, the rule and whose it is."""
    by_resource: dict[str, list[str]] = {}
    for traced in found.traced:
        node = traced.node.notes.get("same", traced.node)
        row = traced.rule.row
        value = traced.value if len(traced.value) <= 30 else traced.value[:29] + "…"
        why = f"{traced.rule.name} → {row.target}" + (f"  {row.condition}" if row.condition else "")
        by_resource.setdefault(node.url, []).append(
            f"  {traced.source:<14}{value:<31}{traced.path:<40}{row.origin:<5} {why}"
        )
    shown: set[str] = set()
    for entry in found.bundle["entry"] if found.bundle else ():
        request, kind = entry["request"], entry["resource"]["resourceType"]
        print(f"\n{kind}  {request['method']} {request['url']} {request.get('ifNoneExist', '')}")
        for line in by_resource.get(entry["fullUrl"], ()):
            print(line)
        shown.add(entry["fullUrl"])
    for url, lines in by_resource.items():
        if url not in shown and lines:
            print(f"\nwithin another resource: {url or 'not used'}")
            print("\n".join(lines))

"""hms validate: what is wrong in files, as a compiler says it."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load
from fhir_server.core.errors import FhirError, Issue
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.codec.places import Place
    from fhir_server.definitions import Definitions
    from fhir_server.interactions.environment import Checker
    from fhir_server.loading.sources import Document

_LINE = re.compile(r"line (\d+)")
SEVERITIES = ("error", "warning", "information")

Told = tuple[int, Issue]  # line, issue


def validate(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Resources and Bundles (.json, .xml), .ndjson, folders and archives of them.", show_default=False
        ),
    ],
    profile: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A profile that each resource must conform to; repeatable.")
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Validate files against R4, the profiles that they declare and those of --profile.

    Prints file:line: severity: message [rule] at path for each issue. The exit code is 1 where one is an error.
    Profiles and code systems are those of the data folder: see hms packages.
    """
    counts = asyncio.run(_validate(load({"data": data}, config=config), paths, tuple(profile or ())))
    said = ", ".join(
        f"{counts[severity]} {severity}{'s' if counts[severity] != 1 else ''}" for severity in SEVERITIES[:2]
    )
    print(f"{counts['resources']} resources, {said}.", file=sys.stderr)
    if counts["error"]:
        raise typer.Exit(1)


async def _validate(settings: Settings, paths: list[Path], profiles: tuple[str, ...]) -> Counter[str]:
    from fhir_server import definitions as r4
    from fhir_server.loading.sources import Document, Refusal, documents

    definitions = r4.load()
    counts: Counter[str] = Counter()
    async with _checker(settings, definitions) as checker:
        for found in documents(paths):
            if isinstance(found, Refusal):
                _tell(counts, found.name, (1, Issue("error", "not-found", found.reason)))
            elif isinstance(found, Document):
                for resource_issues in _issues(found, definitions, lambda r: checker.validate(r, profiles)):
                    counts["resources"] += 1
                    for told in resource_issues:
                        _tell(counts, found.name, told)
                    await asyncio.sleep(0)  # where Ctrl-C takes effect
    return counts


def _tell(counts: Counter[str], name: str, told: Told) -> None:
    line, issue = told
    severity = "error" if issue.severity == "fatal" else issue.severity
    counts[severity] += 1
    rule = f" [{issue.rule}]" if issue.rule else ""
    where = f" at {issue.expression}" if issue.expression else ""
    of = f" (profile {issue.profile})" if issue.profile else ""
    print(f"{name}:{line}: {severity}: {issue.diagnostics}{rule}{where}{of}")


def _issues(
    document: Document, definitions: Definitions, check: Callable[[dict[str, Any]], list[Issue]]
) -> Iterator[list[Told]]:
    """The issues of each resource of a document, with their lines."""
    from fhir_server.codec import json, xml
    from fhir_server.codec.places import json_places, xml_places
    from fhir_server.codec.xml_problems import with_others

    if document.kind == "xml":
        data = document.stream.read()
        problems: list[Issue] = []

        def read() -> dict[str, Any]:
            resource, problems[:] = xml.read(data, definitions)
            return resource

        yield _told(read, lambda resource: with_others(problems, check(resource)), lambda: xml_places(data), 1)
    elif document.kind == "json":
        data = document.stream.read()
        yield _told(lambda: json.parse(data), check, lambda: json_places(data), 1)
    else:
        for number, text in enumerate(document.stream, 1):
            line = text.strip()
            if line:
                yield _told(
                    lambda line=line: json.parse(line),
                    check,
                    lambda line=line, number=number: json_places(line, number),
                    number,
                )


def _told(
    parse: Callable[[], dict[str, Any]],
    check: Callable[[dict[str, Any]], list[Issue]],
    places: Callable[[], Place],
    first_line: int,
) -> list[Told]:
    try:
        resource = parse()
    except FhirError as problem:  # it can't be read: its message has the line
        return [(first_line - 1 + _line(issue), issue) for issue in problem.issues]
    issues = check(resource)
    if not issues:
        return []
    place = places()
    return [(_line(issue) if issue.location else place.find(issue.expression).line, issue) for issue in issues]


def _line(issue: Issue) -> int:
    found = _LINE.search(issue.location) or _LINE.search(issue.diagnostics)
    return int(found[1]) if found else 1


@asynccontextmanager
async def _checker(settings: Settings, definitions: Definitions) -> AsyncIterator[Checker]:
    """What checks with the profiles and codes of the data folder; R4's own alone where there is none."""
    from fhir_server import bootstrap
    from fhir_server.commands.opening import store
    from fhir_server.storage.sqlite.database import FILE_NAME
    from profiles.packages import FILE_NAME as PACKAGES_FILE
    from profiles.sources import InstalledPackages
    from terminology import FILE_NAME as TERMINOLOGY_FILE
    from terminology import Terminology

    if settings.mongodb_url or (settings.data / FILE_NAME).exists():  # its StructureDefinitions count too
        async with store(settings) as server:
            yield server.environment.checker
        return
    known = (settings.data / TERMINOLOGY_FILE).exists()
    service = Terminology(settings.data / TERMINOLOGY_FILE if known else None)
    packages = InstalledPackages(settings.data / PACKAGES_FILE)
    try:
        yield bootstrap.checker(settings, definitions, service, packages)
    finally:
        packages.close()
        service.close()

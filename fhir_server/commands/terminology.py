"""hms terminology: load code systems from the files of their makers, and see, prefer or remove what is loaded."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load as load_settings
from fhir_server.core.errors import error

if TYPE_CHECKING:
    from terminology import Terminology
    from terminology.loaders.jobs import Job, Jobs

EVERY = 1.0  # seconds between lines of progress where nobody watches

terminology = typer.Typer(
    help="Load code systems (SNOMED CT, LOINC, RxNorm, ICD-10-CM, …); list, prefer and remove them.",
    no_args_is_help=True,
)
Id = Annotated[
    int, typer.Argument(help="The number of the job, as `hms terminology jobs` shows it.", min=1, max=2**63 - 1)
]


@terminology.command()
def load(
    kind: Annotated[str, typer.Argument(help="What it is; `hms terminology kinds` lists them.", show_default=False)],
    source: Annotated[Path, typer.Argument(metavar="FILE", help="The file or folder.", show_default=False)],
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="NAME=VALUE", help="An option of the kind, such as version=2026."),
    ] = None,
    background: Annotated[
        bool, typer.Option("--background", help="Return at once; `hms terminology jobs` shows how far it is.")
    ] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Load a code system from a file; a running server on the folder knows it once it is whole.

    A load that was broken off goes on where it was when the same command is given again.
    """
    with _opened(data, config, existing=False) as (service, jobs):
        options = dict(_pairs(option or []))
        broken_off = jobs.broken_off(kind, source, options) if source.exists() else None
        id = broken_off.id if broken_off else jobs.create(kind, source, options)
        if broken_off:
            print(f"Going on with job {id}, which was broken off.", file=sys.stderr)
        _run(service, jobs, id, background)


@terminology.command()
def resume(
    id: Id,
    background: Annotated[bool, typer.Option("--background", help="Return at once.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Go on with a job that waits, failed, or was broken off more than two minutes ago."""
    with _opened(data, config) as (service, jobs):
        jobs.get(id)
        _run(service, jobs, id, background)


@terminology.command("jobs")
def list_jobs(data: Data = None, config: Config = None) -> None:
    """List the loads, the newest first, with how far they are."""
    with _opened(data, config) as (_, jobs):
        found = jobs.all()
    for job in found:
        stage = f"  {job.stage} {job.done:,}" if job.stage and job.state != "done" else ""
        print(f"{job.id}  {job.state}  {job.loader}  {job.source}{stage}{_after(job.message)}")
    if not found:
        print("Nothing was loaded.", file=sys.stderr)


@terminology.command()
def cancel(id: Id, data: Data = None, config: Config = None) -> None:
    """End a job, and remove what it has loaded so far."""
    with _opened(data, config) as (_, jobs):
        if jobs.get(id).state == "done":
            raise error("conflict", f"The job {id} is done; hms terminology remove takes away what it loaded.")
        jobs.cancel(id)
    print(f"job {id} cancelled")


@terminology.command()
def kinds() -> None:
    """List what can be loaded, from what, with which options."""
    from terminology.loaders.registry import LOADERS

    for name, loader in sorted(LOADERS.items()):
        print(f"{name}: {loader.title}, from {loader.reads}")
        for option, meaning in loader.options.items():
            print(f"    -o {option}=…  {meaning}")


@terminology.command("list")
def list_systems(data: Data = None, config: Config = None) -> None:
    """List the code systems, value sets and concept maps of the folder; what ships with the server is not in it."""
    with _opened(data, config) as (service, _):
        rows = list(_rows(service))
    for row in rows:
        print(row)
    if not rows:
        print("Nothing is loaded.", file=sys.stderr)


@terminology.command()
def prefer(
    canonical: Annotated[str, typer.Argument(metavar="URL|VERSION", help="The code system.", show_default=False)],
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a version of a code system the one that is used where no version is asked for."""
    url, _, version = canonical.partition("|")
    with _opened(data, config) as (service, _):
        if not service.store.prefer(url, version):
            raise error("not-found", f"{canonical} is not loaded; hms terminology list shows what is.")
    print(f"{canonical} is preferred")


@terminology.command()
def remove(
    canonicals: Annotated[
        list[str],
        typer.Argument(metavar="URL[|VERSION]…", help="What to remove; all its versions.", show_default=False),
    ],
    data: Data = None,
    config: Config = None,
) -> None:
    """Remove code systems, value sets and concept maps."""
    from terminology.store.listing import listed

    with _opened(data, config) as (service, _):
        for canonical in canonicals:
            url, _, version = canonical.partition("|")
            found = [row for row in listed(service.store) if row.url == url and version in ("", row.version)]
            if not found:
                raise error("not-found", f"{canonical} is not loaded; hms terminology list shows what is.")
            for row in found:
                service.remove(row.type, row.url, row.version)
                print(f"{row.canonical} removed")


@contextmanager
def _opened(data: Path | None, config: Path | None, *, existing: bool = True) -> Iterator[tuple[Terminology, Jobs]]:
    from terminology import FILE_NAME, Terminology
    from terminology.loaders.jobs import Jobs

    folder = load_settings({"data": data}, config=config).data
    if existing and not (folder / FILE_NAME).exists():
        raise error("not-found", f"Nothing was loaded into {folder.resolve()}; name the server's folder with --data.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise error("unavailable", f"The folder {folder} can't be made: {problem.strerror}.") from problem
    service = Terminology(folder / FILE_NAME)
    try:
        yield service, Jobs(service.store, service.clock, folder / FILE_NAME)
    finally:
        service.close()


def _pairs(options: list[str]) -> Iterator[tuple[str, str]]:
    for text in options:
        name, separator, value = text.partition("=")
        if not (name and separator):
            raise error("value", f"An option is NAME=VALUE, such as version=2026, not {text!r}.")
        yield name, value


def _run(service: Terminology, jobs: Jobs, id: int, background: bool) -> None:
    from terminology.store.listing import listed

    if background:
        jobs.start(id)
        print(f"job {id} started; hms terminology jobs shows how far it is")
        return
    progress = _Progress()
    try:
        job = jobs.run(id, progress)
    except KeyboardInterrupt:
        print(f"\nJob {id} was broken off; the same command goes on with it.", file=sys.stderr)
        raise typer.Exit(130) from None
    progress.end()
    if job.state != "done":
        raise error("unprocessable", f"Job {id} {job.state}{_after(job.message)}")
    made = next((row for row in listed(service.store) if row.type == "CodeSystem" and row.id == job.system), None)
    print(f"{made.canonical}: {made.count:,} concepts" if made else f"{job.loader}: {progress.done:,} resources")


class _Progress:
    """Tells how far a job is: in place on a terminal, else a line a second."""

    def __init__(self) -> None:
        self._told = 0.0
        self._live = sys.stderr.isatty()
        self.done = 0  # rows of the last stage that was told

    def __call__(self, job: Job) -> None:
        self.done = job.done
        now = time.monotonic()
        if now - self._told < (0.1 if self._live else EVERY):
            return
        self._told = now
        line = f"{job.loader}: {job.stage} {job.done:,}"
        print(f"\r{line:<60}" if self._live else line, end="" if self._live else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leaves the line that was written in place."""
        if self._live and self._told:
            print(file=sys.stderr)


def _rows(service: Terminology) -> Iterator[str]:
    from terminology.store.listing import listed

    for row in listed(service.store):
        count = f"  {row.count:,} concepts" if row.type == "CodeSystem" else ""
        preferred = "  preferred" if row.preferred else ""
        name = f"  {row.name}" if row.name else ""
        yield f"{row.type}  {row.canonical}{count}{preferred}{name}"


def _after(message: str) -> str:
    return f": {message}" if message else ""

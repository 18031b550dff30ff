"""hms packages: the FHIR packages of a data folder."""

from __future__ import annotations

import asyncio
import io
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load
from fhir_server.core.errors import FhirError, error
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from profiles.packages import Package, PackageStore
    from terminology import Terminology

ENDINGS = (".tgz", ".tar.gz")

packages = typer.Typer(
    help="Install, list and remove FHIR packages: profiles, extensions, value sets, code systems.",
    no_args_is_help=True,
)


@packages.command()
def install(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Packages (.tgz), folders of them, or unpacked packages.", show_default=False),
    ],
    data: Data = None,
    config: Config = None,
) -> None:
    """Install packages from files, each in place of the same name and version; nothing is fetched.

    A running server on the folder uses them at once. Search parameters that R4 does not have are stored in it, by which
    they come into force. What can't be used is listed, the rest is installed, and the exit code is 1.
    """
    failed = False
    settings = load({"data": data}, config=config)
    brought: list[dict[str, Any]] = []
    with _opened(settings, existing=False) as (store, service):
        for name, source in _sources(paths):
            try:
                package, refused = _install(store, service, source)
            except (FhirError, OSError) as problem:
                failed = True
                print(f"{name}: {problem}", file=sys.stderr)
                continue
            print(f"{package.name}@{package.version}: {package.resources} resources")
            for text in refused:
                failed = True
                print(f"  not used: {text}", file=sys.stderr)
            brought += _parameters(store, package)
    if brought:
        failed |= not asyncio.run(_put_in_force(settings, brought))
    if failed:
        raise typer.Exit(1)


@packages.command("list")
def list_packages(data: Data = None, config: Config = None) -> None:
    """List what is installed, with the dependencies that are not."""
    with _opened(load({"data": data}, config=config)) as (store, _):
        installed = store.installed()
    for package in installed:
        print(f"{package.name}@{package.version}  {package.resources} resources  {package.title}".rstrip())
        if package.missing:
            print(f"  needs, not installed: {', '.join(package.missing)}")
    if not installed:
        print("No packages are installed.", file=sys.stderr)


@packages.command()
def remove(
    packages: Annotated[list[str], typer.Argument(metavar="NAME[@VERSION]…", help="What to remove; all its versions.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Remove packages, with the value sets, code systems and search parameters that they brought."""
    settings = load({"data": data}, config=config)
    gone: list[dict[str, Any]] = []
    with _opened(settings) as (store, service):
        for wanted in packages:
            name, _, version = wanted.partition("@")
            found = [p for p in store.installed() if p.name == name and version in ("", p.version)]
            if not found:
                raise error("not-found", f"{wanted} is not installed; hms packages list shows what is.")
            for package in found:
                gone += _parameters(store, package)
                _remove(store, service, package)
                print(f"{package.name}@{package.version} removed")
        gone = [each for each in gone if store.find(each["resourceType"], each["url"]) is None]
    if gone:
        asyncio.run(_take_out_of_force(settings, gone))


@contextmanager
def _opened(settings: Settings, *, existing: bool = True) -> Iterator[tuple[PackageStore, Terminology]]:
    from profiles.packages import FILE_NAME, PackageStore
    from terminology import FILE_NAME as TERMINOLOGY_FILE
    from terminology import Terminology

    if existing and not settings.data.is_dir():
        raise error("not-found", f"There is no folder {settings.data.resolve()}; name the server's with --data.")
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        text = f"The folder {settings.data} can't be made: {problem.strerror}."
        raise error("unavailable", text) from problem
    store, service = PackageStore(settings.data / FILE_NAME), Terminology(settings.data / TERMINOLOGY_FILE)
    try:
        yield store, service
    finally:
        store.close()
        service.close()


def _sources(paths: list[Path]) -> Iterator[tuple[str, Path | bytes]]:
    """(name, package) of every package in files and folders."""
    for path in paths:
        if path.is_file():
            yield str(path), path
            continue
        unpacked = next((folder for folder in (path / "package", path) if (folder / "package.json").is_file()), None)
        if unpacked is not None:
            yield str(path), _packed(unpacked)
            continue
        found = sorted(file for file in path.rglob("*") if file.name.lower().endswith(ENDINGS))
        if not found:
            what = "has no package (.tgz)" if path.is_dir() else "is no file or folder"
            raise error("not-found", f"{path} {what}.")
        yield from ((str(file), file) for file in found)


def _packed(folder: Path) -> bytes:
    """An unpacked package as the archive that it came in."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for file in sorted(folder.glob("*.json")):
            archive.add(file, f"package/{file.name}", recursive=False)
    return packed.getvalue()


def _install(store: PackageStore, service: Terminology, source: Path | bytes) -> tuple[Package, list[str]]:
    """The package, and what of its terminology can't be used."""
    refused = []

    def receive(resource: dict[str, Any]) -> None:
        try:
            service.put(resource)
        except FhirError as problem:
            refused.append(f"{resource['resourceType']} {resource['url']}: {problem}")

    return store.install(source, receive), refused


def _parameters(store: PackageStore, package: Package) -> list[dict[str, Any]]:
    """The search parameters of a package that R4 does not have."""
    from fhir_server import definitions
    from fhir_server.loading.package_parameters import beyond_r4

    return beyond_r4(store.brought(package.name, package.version, ["SearchParameter"]), definitions.load())


async def _put_in_force(settings: Settings, parameters: list[dict[str, Any]]) -> bool:
    """Whether all of them are in force."""
    from fhir_server.commands.opening import store
    from fhir_server.loading.package_parameters import put_in_force

    whole = True
    async with store(settings, existing=False) as server:
        async for each, refused in put_in_force(server, parameters):
            name = f"search parameter {each.get('code') or each['url']} of {', '.join(each['base'])}"
            if refused:
                whole = False
                print(f"  {name} not used: {refused}", file=sys.stderr)
            else:
                print(f"  {name}")
    return whole


async def _take_out_of_force(settings: Settings, parameters: list[dict[str, Any]]) -> None:
    from fhir_server.commands.opening import store
    from fhir_server.loading.package_parameters import take_out_of_force

    async with store(settings, existing=False) as server:
        await take_out_of_force(server, parameters)


def _remove(store: PackageStore, service: Terminology, package: Package) -> None:
    from profiles.packages import TERMINOLOGY

    brought = store.brought(package.name, package.version, TERMINOLOGY)
    store.remove(package.name, package.version)
    for resource in brought:
        type, url, version = resource["resourceType"], resource["url"], resource.get("version", "")
        other = store.find(type, f"{url}|{version}")
        if other is not None and other.get("version", "") == version:  # of another package
            service.put(other)
        else:
            service.remove(type, url, version)

"""Views by name: those that come with the server, and those of a site's folder, which win where names are the same."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from fhir_server.codec.json import decode
from fhir_server.core.errors import FhirError, error
from fhir_server.definitions import Definitions
from fhir_server.views.definition import View
from fhir_server.views.read import read_view

SHIPPED = Path(__file__).with_name("definitions")
VIEW_DEFINITION = "https://sql-on-fhir.org/ig/StructureDefinition/ViewDefinition"


def folders_of(folder: str) -> tuple[Path, ...]:
    """Where views are looked for, by the setting `views`."""
    return (SHIPPED, Path(folder)) if folder else (SHIPPED,)


class Library:
    """The views in folders of JSON files, read anew where a file has changed."""

    def __init__(self, folders: Iterable[Path], definitions: Definitions) -> None:
        self._folders = tuple(folders)
        self._definitions = definitions

    def names(self) -> list[str]:
        """The names of all views."""
        return sorted(self._files())

    def find(self, wanted: str) -> View:
        """The view with a name or a canonical URL; FhirError "not-found" that names the nearest one."""
        files = self._files()
        if wanted in files:
            return self._read(files[wanted])
        if "/" in wanted:
            for file in files.values():
                if _json(file, file.stat().st_mtime_ns).get("url") == wanted.partition("|")[0]:
                    return self._read(file)
        near = difflib.get_close_matches(wanted, files, 1)
        hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(sorted(files))}."
        raise error("not-found", f"There is no view {wanted[:100]}.{hint}")

    def all(self) -> list[View]:
        """Every view; FhirError names the file of one that is not as it must be."""
        return [self._read(file) for _, file in sorted(self._files().items())]

    def _files(self) -> dict[str, Path]:
        return {file.stem: file for folder in self._folders for file in sorted(folder.glob("*.json"))}

    def _read(self, file: Path) -> View:
        try:
            view = read_view(_json(file, file.stat().st_mtime_ns), self._definitions)
        except FhirError as problem:
            raise FhirError(problem.category, [_in_file(issue, file.name) for issue in problem.issues]) from problem
        return view if view.name else view._replace(name=file.stem)


@lru_cache(maxsize=1000)
def _json(file: Path, changed: int) -> dict[str, Any]:
    """The JSON of a file, as it was when it was changed last."""
    try:
        return decode(file.read_bytes())
    except OSError as problem:
        raise error("not-found", f"{file.name} can't be read: {problem.strerror}.") from problem


def _in_file(issue: Any, file: str) -> Any:
    import msgspec

    return msgspec.structs.replace(issue, diagnostics=f"{file}: {issue.diagnostics}")


def stored_view(basic: dict[str, Any], definitions: Definitions) -> View:
    """The view that a Basic resource holds, in an extension of the type string; FhirError "unprocessable" for none."""
    for extension in basic.get("extension", ()):
        if extension.get("url") == VIEW_DEFINITION and isinstance(extension.get("valueString"), str):
            return read_view(decode(extension["valueString"].encode()), definitions)
    raise error(
        "unprocessable",
        f"Basic/{basic.get('id')} holds no view: it needs an extension {VIEW_DEFINITION} with the ViewDefinition's "
        "JSON as valueString.",
    )

"""Where a running server finds profiles, questionnaires and measures: installed packages, and what is stored in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fhir_server.codec.json import decode
from profiles.packages import PackageStore, version_key

Json = dict[str, Any]


class InstalledPackages:
    """The packages of a data folder; its file is opened once there is one, so that a server without pays nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: PackageStore | None = None

    def find(self, type: str, canonical: str) -> Json | None:
        """The resource behind `url` or `url|version`, None where no package has it."""
        store = self._opened()
        return None if store is None else store.find(type, canonical)

    def kinds(self, url: str) -> list[str]:
        """The types of the resources that packages have by this canonical URL, in any version."""
        store = self._opened()
        return [] if store is None else store.kinds(url)

    def generation(self) -> int:
        """A number that changes with every installation and removal, by any process; 0 before the first."""
        store = self._opened()
        return 0 if store is None else store.generation()

    def structures(self) -> Iterator[Json]:
        """Every StructureDefinition of the packages."""
        store = self._opened()
        if store is not None:
            yield from store.resources("StructureDefinition")

    def close(self) -> None:
        """Closes the file."""
        if self._store is not None:
            self._store.close()

    def _opened(self) -> PackageStore | None:
        if self._store is None and self._path.exists():
            self._store = PackageStore(self._path)
        return self._store


class StoredProfiles:
    """StructureDefinitions, Questionnaires and Measures that are stored as resources, by type and id."""

    types = ("StructureDefinition", "Questionnaire", "Measure")

    def __init__(self) -> None:
        self._by_id: dict[tuple[str, str], str] = {}
        self._by_url: dict[tuple[str, str], dict[str, tuple[str, bytes]]] = {}  # (type, url) -> id -> (version, JSON)
        self._generation = 0

    def put(self, type: str, id: str, body: bytes) -> None:
        """Takes in the resource of this id, in place of what was there."""
        self.remove(type, id)
        resource = decode(body)
        url = resource.get("url")
        if not isinstance(url, str):  # stored without validation
            return
        self._by_id[type, id] = url
        self._by_url.setdefault((type, url), {})[id] = (resource.get("version", ""), body)
        self._changed(type)

    def remove(self, type: str, id: str) -> None:
        """Forgets the resource of this id, if it is here."""
        url = self._by_id.pop((type, id), None)
        if url is not None:
            del self._by_url[type, url][id]
            self._changed(type)

    def _changed(self, type: str) -> None:
        if type == "StructureDefinition":  # nothing is compiled of the others
            self._generation += 1

    def find(self, type: str, canonical: str) -> Json | None:
        """The resource behind `url` or `url|version`, the newest where several have the url."""
        url, _, wanted = canonical.partition("|")
        found = self._by_url.get((type, url))
        fitting = [each for each in (found or {}).values() if wanted in ("", each[0])]
        return decode(max(fitting, key=lambda each: version_key(each[0]))[1]) if fitting else None

    def kinds(self, url: str) -> list[str]:
        """The types of what is stored with this canonical URL, in any version."""
        return [type for type in self.types if self._by_url.get((type, url))]

    def structures(self) -> Iterator[Json]:
        """Every StructureDefinition that is stored when it begins; another thread may follow the store meanwhile."""
        for (type, _), found in list(self._by_url.items()):
            if type == "StructureDefinition":
                yield from (decode(body) for _, body in list(found.values()))

    def generation(self) -> int:
        """A number that changes with every change of a profile."""
        return self._generation

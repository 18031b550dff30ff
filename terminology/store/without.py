"""A store to one who does not know some of what is in it: by type, url and version."""

from __future__ import annotations

from typing import Any

from terminology.store.code_system import StoredSystem
from terminology.store.store import Json, Store

Canonical = tuple[str, str, str]  # type, url, version


class Without:
    """Reads as the store's, without what is hidden; everything else is the store's own."""

    def __init__(self, store: Store, hidden: frozenset[Canonical]) -> None:
        self._store = store
        self._hidden = hidden

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def systems(self, url: str) -> list[StoredSystem]:
        """See Store."""
        return self._known(self._store.systems(url))

    def supplements(self, url: str) -> list[StoredSystem]:
        """See Store."""
        return self._known(self._store.supplements(url))

    def all_systems(self) -> list[StoredSystem]:
        """See Store."""
        return self._known(self._store.all_systems())

    def has_supplement(self, url: str, version: str = "") -> bool:
        """See Store."""
        return any(
            info.url == url and info.content == "supplement" and version in ("", info.version)
            for info in (system.info for system in self.all_systems())
        )

    def resource(self, type: str, url: str, version: str = "") -> Json | None:
        """See Store."""
        found = self._store.resource(type, url, version)
        return None if found is None or (type, url, found.get("version", "")) in self._hidden else found

    def maps(self, end: str) -> list[tuple[str, str]]:
        """See Store."""
        return [each for each in self._store.maps(end) if ("ConceptMap", *each) not in self._hidden]

    def _known(self, systems: list[StoredSystem]) -> list[StoredSystem]:
        return [each for each in systems if ("CodeSystem", each.info.url, each.info.version) not in self._hidden]

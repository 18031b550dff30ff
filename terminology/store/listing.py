"""What a store holds, for a person to read."""

from __future__ import annotations

from typing import NamedTuple

from terminology.store.store import Store


class Listed(NamedTuple):
    """A CodeSystem, ValueSet or ConceptMap; count: concepts of a code system; id: the store's, 0 for other types."""

    type: str
    url: str
    version: str
    name: str = ""
    count: int = 0
    preferred: bool = False
    id: int = 0

    @property
    def canonical(self) -> str:
        """url|version, or url."""
        return f"{self.url}|{self.version}" if self.version else self.url


def listed(store: Store) -> list[Listed]:
    """All that is stored, code systems first, by url."""
    systems = store.connection.execute(
        "SELECT 'CodeSystem', url, version, name, count, preferred, id FROM code_systems WHERE ready ORDER BY 2, 3"
    )
    others = store.connection.execute("SELECT type, url, version FROM resources ORDER BY 1, 2, 3")
    return [Listed(*row) for row in systems] + [Listed(*row) for row in others]

"""The store with sealed bodies: the ports of the embedded store, below every view of it (access/visible.py).

What a version says is sealed before it reaches the store and opened when it leaves it: current and old versions, in
files, in backups. A version's key is that of the one patient in whose compartment it is; else the one for all others.
The search index is not sealed: it must compare. No words of narratives get there, so _text and _content are refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import HistoryPage, SearchIndex, Transaction, Write
from fhir_server.core.query import Clause, NarrativeHas, Page, Query
from fhir_server.core.values import NARRATIVE, SearchValue
from fhir_server.interactions.owners import owner_of
from fhir_server.search.rewrite.walk import every

T = TypeVar("T")
FieldsOf = Callable[[str], Collection[str]]  # that make resources of a type members of a Patient's compartment
PAGE = 500


class Keys(Protocol):
    """What seals."""

    def seal(self, owner: str, plain: bytes) -> bytes:
        """The bytes sealed with an owner's key."""
        ...

    def open(self, sealed: bytes) -> bytes | None:
        """What was sealed; None where its key is destroyed."""
        ...

    def doom(self, owner: str) -> None:
        """Keeps that an owner's key is to be destroyed once what it sealed is erased."""
        ...

    def doomed(self) -> list[str]:
        """Owners whose keys were to be destroyed and are there yet."""
        ...

    def destroy(self, owner: str) -> bool:
        """Destroys an owner's key; whether there was one."""
        ...


class _Opening:
    """Opens versions; what was sealed with a destroyed key is not there any more."""

    def __init__(self, inner: Any, keys: Keys) -> None:
        self._inner = inner
        self.keys = keys

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _opened(self, version: StoredVersion | None) -> StoredVersion | None:
        if version is None or not version.body:
            return version
        plain = self.keys.open(version.body)
        if plain is None:
            return None
        if plain is version.body:
            return version
        front = f'{{"resourceType":"{version.type}","id":"{version.id}","meta":{{"versionId":"{version.version}"'
        if not plain.startswith(front.encode()):
            raise error("unavailable", "What is stored is another version than it says; restore it from a backup.")
        return StoredVersion(
            version.type, version.id, version.version, version.seq, version.updated, version.method, plain
        )

    def _all(self, versions: Iterable[StoredVersion]) -> list[StoredVersion]:
        return [opened for version in versions if (opened := self._opened(version)) is not None]


class EncryptedReads(_Opening):
    """The `ResourceReads` port."""

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version."""
        return self._opened(await self._inner.read(type, id))

    async def read_many(self, keys: Iterable[tuple[str, str]]) -> list[StoredVersion | None]:
        """The newest version of each."""
        return [self._opened(version) for version in await self._inner.read_many(keys)]

    async def read_version(self, type: str, id: str, version: int) -> StoredVersion | None:
        """That very version."""
        return self._opened(await self._inner.read_version(type, id, version))

    async def history(self, *arguments: Any, **more: Any) -> HistoryPage:
        """Versions newest first."""
        page = await self._inner.history(*arguments, **more)
        return page._replace(versions=self._all(page.versions))

    async def mentions(self, reference: str) -> list[tuple[str, str]]:
        """Resources some version of which has this reference; opens everything."""
        quoted = f'"{reference}"'.encode()
        found: dict[tuple[str, str], None] = {}
        cursor = ""
        while True:
            page = await self.history(count=PAGE, cursor=cursor)
            for version in page.versions:
                if quoted in version.body:
                    found[version.type, version.id] = None
            cursor = page.next
            if not cursor:
                return list(found)


class EncryptedIndex(_Opening):
    """The `SearchIndex` port."""

    async def search(self, query: Query) -> Page:
        """One page of a query; FhirError "not-supported" for words of narratives."""
        require_possible(query.where)
        older = query.older
        if older is not None:

            def opened_first(version: StoredVersion) -> StoredVersion | None:
                opened = self._opened(version)
                return older(opened) if opened is not None else None

            query = replace(query, older=opened_first)
        page = await self._inner.search(query)
        return replace(page, matches=self._all(page.matches), included=self._all(page.included))

    async def count(self, types: Sequence[str], where: Clause) -> int:
        """How many resources the clause holds for."""
        require_possible(where)
        return await self._inner.count(types, where)


def require_possible(where: Clause) -> None:
    """FhirError for what an index of sealed bodies can't answer."""
    if any(isinstance(clause, NarrativeHas) for clause in every(where)):
        raise error("unsupported-parameter", "Bodies are encrypted here, so _text and _content can't be searched.")


class EncryptedStore(EncryptedReads):
    """The `ResourceStore` and `ChangeFeed` ports."""

    def __init__(self, inner: Any, keys: Keys, fields_of: FieldsOf) -> None:
        super().__init__(inner, keys)
        self._fields_of = fields_of

    async def commit(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs work in a transaction that seals."""

        async def sealing(inside: Transaction) -> T:
            return await work(EncryptedTransaction(inside, self.keys, self._fields_of))  # type: ignore[arg-type]

        return await self._inner.commit(sealing)

    async def finish_erasures(self) -> None:
        """Destroys the keys of what was erased when the server was ended before it could."""
        for owner in self.keys.doomed():
            type, _, id = owner.partition("/")
            if await self._inner.read(type, id) is None:
                self.keys.destroy(owner)

    async def sealed(self, type: str, id: str, version: int) -> StoredVersion | None:
        """A version as it is stored, for backups."""
        return await self._inner.read_version(type, id, version)


class EncryptedTransaction(_Opening):
    """The `Transaction` port."""

    def __init__(self, inner: Any, keys: Keys, fields_of: FieldsOf) -> None:
        super().__init__(inner, keys)
        self._fields_of = fields_of

    @property
    def reads(self) -> EncryptedReads:
        """Reads inside the transaction."""
        return EncryptedReads(self._inner.reads, self.keys)

    @property
    def index(self) -> SearchIndex:
        """Searches inside the transaction."""
        return EncryptedIndex(self._inner.index, self.keys)  # type: ignore[return-value]

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version."""
        version = await self._inner.read(type, id)
        opened = self._opened(version)
        if version is not None and opened is None:  # of a destroyed key: what is left is its number
            return StoredVersion(type, id, version.version, version.seq, version.updated, "DELETE", b"")
        return opened

    async def matches(self, type: str, where: Clause, limit: int = 2) -> list[StoredVersion]:
        """Current resources for which the clause holds."""
        require_possible(where)
        return self._all(await self._inner.matches(type, where, limit))

    async def matches_each(self, asked: Sequence[tuple[str, Clause]]) -> list[list[StoredVersion]]:
        """The same for each."""
        for _, where in asked:
            require_possible(where)
        return [self._all(found) for found in await self._inner.matches_each(asked)]

    async def put(self, write: Write) -> StoredVersion:
        """Seals and stores a version."""
        values = [value for value in write.values if value[0] != NARRATIVE]
        owner = owner_of(write.type, write.id, write.values, self._fields_of(write.type))
        body = self.keys.seal(owner, write.body) if write.body else b""
        stored = await self._inner.put(write._replace(body=body, values=values))
        return StoredVersion(
            stored.type, stored.id, stored.version, stored.seq, stored.updated, stored.method, write.body
        )

    async def reindex(self, type: str, id: str, values: Sequence[SearchValue]) -> None:
        """Replaces the index values of a current resource."""
        await self._inner.reindex(type, id, [value for value in values if value[0] != NARRATIVE])

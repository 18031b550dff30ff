"""Where a canonical URL leads: to what a request brings along, what is stored here, what ships, or a grammar."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from fhir_server.core.errors import error
from terminology.grammars import Bcp47, Grammar, MediaTypes, Ucum, Uris, bcp47, mime
from terminology.model import Concept
from terminology.packs.pack import Entry, Pack
from terminology.store.code_system import SNOMED, StoredSystem
from terminology.store.store import Store, version_key
from terminology.store.without import Without
from terminology.versions import NO_RULES, VersionRules, split

Json = dict[str, Any]
CodeSystem = StoredSystem | Grammar

# Where several packs have a code system, the first one's is used; codes that only others have are found there.
PACKS = ("tho", "r4", "registries")
KNOWN_CONTENT = ("complete", "fragment", "example")


class Shipped:
    """The packs; a code system of theirs is read into memory when it is first asked for."""

    def __init__(self, names: tuple[str, ...] = PACKS) -> None:
        self._packs = [Pack(name) for name in names]
        self._store = Store(late_texts=True)
        self._read: dict[tuple[str, str, str], StoredSystem] = {}
        self._names: dict[str, dict[str, str]] = {}
        self._lock = threading.RLock()

    def entries(self, type: str, url: str) -> list[tuple[Pack, Entry]]:
        """All versions, the preferred first."""
        return [(pack, entry) for pack in self._packs for entry in _newest_first(pack.entries.get((type, url), []))]

    def urls(self, type: str) -> Iterator[tuple[str, str]]:
        """(url, version) of all resources of a type."""
        for pack in self._packs:
            for (found, url), entries in pack.entries.items():
                if found == type:
                    yield from ((url, entry.version) for entry in entries)

    def systems(self, url: str) -> Iterator[StoredSystem]:
        """The versions of a code system, the preferred first, each read when it is reached."""
        for pack, entry in self.entries("CodeSystem", url):
            if not entry.of:
                yield self._system(pack, entry)

    def supplements(self, url: str) -> Iterator[StoredSystem]:
        """The supplements to a code system."""
        for pack in self._packs:
            for entry in pack.supplements.get(url, ()):
                yield self._system(pack, entry)

    def _system(self, pack: Pack, entry: Entry) -> StoredSystem:
        key = (pack.name, entry.url, entry.version)
        found = self._read.get(key)
        if found is None:
            with self._lock:
                if key not in self._read:
                    # Two packs may have the same url and version: the name of the pack keeps them apart in memory.
                    resource = pack.read(entry)
                    self._store.put({**resource, "url": f"{pack.name}:{entry.url}"})
                    self._store.generation()
                    stored = next(
                        s for s in self._store.all_systems()
                        if s.info.url == f"{pack.name}:{entry.url}" and s.info.version == entry.version
                    )  # fmt: skip
                    stored.info = stored.info._replace(
                        url=entry.url, resource={**stored.info.resource, "url": entry.url}
                    )
                    stored.is_snomed = entry.url == SNOMED
                    self._read[key] = stored
                found = self._read[key]
        return found

    def names(self, url: str) -> dict[str, str]:
        """The displays of a flat code system by code; {} where it does not ship."""
        if url not in self._names:
            self._names[url] = next((pack.names(entry) for pack, entry in self.entries("CodeSystem", url)), {})
        return self._names[url]

    def resource(self, type: str, url: str, version: str) -> Json | None:
        """A ValueSet or ConceptMap."""
        for pack, entry in self.entries(type, url):
            if version in ("", entry.version):
                return pack.read(entry)
        return None

    def maps(self, end: str) -> Iterator[tuple[str, str]]:
        """(url, version) of the concept maps with this value set or code system at one of their ends."""
        for pack in self._packs:
            for (type, url), entries in pack.entries.items():
                if type == "ConceptMap":
                    yield from ((url, e.version) for e in entries if any(split(o)[0] == end for o in e.of))


def _newest_first(entries: list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: version_key(entry.version), reverse=True)


class Catalog:
    """One view of everything that is known; with_request() gives another that knows more."""

    def __init__(
        self,
        store: Store | Without,
        shipped: Shipped,
        rules: VersionRules = NO_RULES,
        extra: Store | None = None,
    ) -> None:
        self.store = store
        self.shipped = shipped
        self.rules = rules
        self.extra = extra
        self._stores = [extra, store] if extra else [store]
        self._grammars: dict[str, Grammar] = {}
        self._resolved: dict[tuple[str, str], CodeSystem | None] = {}

    def forget(self) -> None:
        """Drops what was kept, because the store has changed."""
        self._resolved.clear()

    def with_request(self, resources: list[Json], rules: VersionRules) -> Catalog:
        """The same with a request's own resources, beside those that it has, and rules on versions."""
        extra = self.extra
        if resources:
            extra = extra or Store()
            for resource in resources:
                if (
                    resource.get("resourceType") not in ("CodeSystem", "ValueSet", "ConceptMap")
                    or "url" not in resource
                ):
                    raise error("value", "A tx-resource is a CodeSystem, ValueSet or ConceptMap with a url.")
                extra.put(resource)
            extra.generation()
        view = Catalog(self.store, self.shipped, rules, extra)
        view._grammars = self._grammars
        return view

    @property
    def plain(self) -> bool:
        """Whether this is the view that all requests without resources and rules of their own share."""
        return self.extra is None and self.rules == NO_RULES

    def systems(self, url: str) -> Iterator[CodeSystem]:
        """All versions known, the preferred first."""
        for store in self._stores:
            yield from store.systems(url)
        yield from self.shipped.systems(url)
        grammar = self.grammar(url)
        if grammar:
            yield grammar

    def system(self, url: str, version: str = "") -> CodeSystem | None:
        """The code system in this version, or in the one to use; None where it isn't known or has no content here."""
        key = (url, version)
        if key not in self._resolved:
            self._resolved[key] = self._resolve(url, version)
        return self._resolved[key]

    def _resolve(self, url: str, version: str) -> CodeSystem | None:
        wanted = self.rules.version(url, version)
        checked = self.rules.check.get(url)
        if checked and wanted and not version_matches(checked, wanted):
            raise error(
                "unprocessable",
                f"Version {wanted} of {url} is asked for, but check-system-version wants version {checked}.",
            )
        for system in self.systems(url):
            if system.info.content in KNOWN_CONTENT and (not wanted or version_matches(wanted, system.info.version)):
                return system
        return None

    def find(self, url: str, version: str, code: str) -> tuple[CodeSystem, Concept] | None:
        """The concept, in the version to use; without one named, also in an older version that ships."""
        system = self.system(url, version)
        if system is None:
            return None
        concept = system.find(code)
        if concept is not None:
            return system, concept
        if not self.rules.version(url, version) and next(iter(self.store.systems(url)), None) is None:
            for other in self.shipped.systems(url):
                if other is not system and (concept := other.find(code)) is not None:
                    return other, concept
        return None

    def supplements(self, url: str) -> list[StoredSystem]:
        """The supplements to a code system."""
        found = [s for store in self._stores for s in store.supplements(url)]
        return [*found, *self.shipped.supplements(url)]

    def has_supplement(self, url: str, version: str = "") -> bool:
        """Whether a supplement with this URL is known."""
        return any(store.has_supplement(url, version) for store in self._stores) or any(
            entry.of and version in ("", entry.version) for _, entry in self.shipped.entries("CodeSystem", url)
        )

    def has(self, type: str, url: str) -> bool:
        """Whether a CodeSystem, ValueSet or ConceptMap with this URL is known, in any version."""
        if self.shipped.entries(type, url):
            return True
        if type != "CodeSystem":
            return self._resource(type, url, "") is not None
        return self.grammar(url) is not None or any(s.systems(url) or s.has_supplement(url) for s in self._stores)

    def grammar(self, url: str) -> Grammar | None:
        """The grammar behind a code system that has one."""
        if url not in self._grammars and url in _GRAMMARS:
            self._grammars[url] = _GRAMMARS[url](self)
        return self._grammars.get(url)

    @staticmethod
    def grammar_urls() -> tuple[str, ...]:
        """The code systems that are grammars."""
        return tuple(_GRAMMARS)

    def value_set(self, url: str, version: str = "") -> Json | None:
        """A ValueSet resource."""
        return self._resource("ValueSet", url, self.rules.version(url, version))

    def concept_map(self, url: str, version: str = "") -> Json | None:
        """A ConceptMap resource."""
        return self._resource("ConceptMap", url, version)

    def _resource(self, type: str, url: str, version: str) -> Json | None:
        for store in self._stores:
            found = store.resource(type, url, version)
            if found is not None:
                return found
        return self.shipped.resource(type, url, version)

    def maps(self, end: str) -> list[Json]:
        """The concept maps with this value set or code system at one of their ends, what is nearer first."""
        found: dict[str, str] = {}
        for source in [*self._stores, self.shipped]:
            for url, version in sorted(source.maps(end), key=lambda each: version_key(each[1]), reverse=True):
                found.setdefault(url, version)
        read = (self.concept_map(url, version) for url, version in found.items())
        return [resource for resource in read if resource is not None]


def _registry(catalog: Catalog, url: str) -> Any:
    """A look-up in a registry: the one that a loader has stored, or what ships of it."""

    def find(code: str) -> Concept | None:
        stored = next(iter(catalog.store.systems(url)), None)
        if stored is not None:
            return stored.find(code)
        display = catalog.shipped.names(url).get(code)
        return None if display is None else Concept(0, code, display)

    return find


_GRAMMARS: dict[str, Any] = {
    "http://unitsofmeasure.org": lambda catalog: Ucum(),
    "urn:ietf:bcp:47": lambda catalog: Bcp47(_registry(catalog, bcp47.REGISTRY)),
    "urn:ietf:bcp:13": lambda catalog: MediaTypes(_registry(catalog, mime.REGISTRY)),
    "urn:ietf:rfc:3986": lambda catalog: Uris(),
}


def version_matches(wanted: str, found: str) -> bool:
    """Whether a version is the one wanted; of SNOMED CT, an edition without date takes any date of it."""
    return wanted == found or (found.startswith(f"{SNOMED}/") and found.startswith(f"{wanted}/"))

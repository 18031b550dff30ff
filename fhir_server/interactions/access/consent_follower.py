"""Stored Consents take effect as soon as they are answered; those that other workers store within a second."""

from __future__ import annotations

from fhir_server.codec.json import decode
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import ChangeFeed, ResourceStore
from fhir_server.interactions.followers.resource_follower import ResourceFollower
from fhir_server.search.dates import date_range
from fhir_server.security.consents import Provision, provision_of


class ConsentFollower(ResourceFollower):
    """provisions: by the Consent's id; generation: grows with each change of them."""

    types = ("Consent",)

    def __init__(self, store: ResourceStore, feed: ChangeFeed) -> None:
        super().__init__(store, feed)
        self.provisions: dict[str, tuple[str, Provision]] = {}
        self.generation = 0

    def take(self, type: str, id: str, version: StoredVersion | None) -> None:
        """Keeps its provision, where it has one that counts."""
        found = None
        if version is not None:
            found = provision_of(decode(version.body), lambda text: date_range(text) if text else None)
        if found is not None:
            self.provisions[id] = found
        else:
            self.provisions.pop(id, None)
        self.generation += 1

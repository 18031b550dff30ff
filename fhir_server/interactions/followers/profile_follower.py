"""Stored StructureDefinitions become usable as profiles, and Questionnaires for responses, along the change feed."""

from __future__ import annotations

from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import ChangeFeed, ResourceStore
from fhir_server.interactions.followers.resource_follower import ResourceFollower
from profiles.sources import StoredProfiles


class ProfileFollower(ResourceFollower):
    """Keeps profiles and questionnaires in step with the resources in the store; all are read at the start."""

    types = StoredProfiles.types

    def __init__(self, store: ResourceStore, feed: ChangeFeed, profiles: StoredProfiles) -> None:
        super().__init__(store, feed)
        self._profiles = profiles

    def take(self, type: str, id: str, version: StoredVersion | None) -> None:
        """Puts it in force."""
        if version is None:
            self._profiles.remove(type, id)
        else:
            self._profiles.put(type, id, version.body)

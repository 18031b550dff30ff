"""Stored StructureDefinitions become usable as profiles, Questionnaires and Measures for responses and reports."""

from __future__ import annotations

from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import ChangeFeed, ResourceStore
from fhir_server.interactions.followers.resource_follower import ResourceFollower
from profiles.sources import StoredProfiles


class ProfileFollower(ResourceFollower):
    """Keeps profiles, questionnaires and measures in step with the store; all are read at the start."""

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

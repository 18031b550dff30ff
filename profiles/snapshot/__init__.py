"""StructureDefinitions as trees of elements, made of snapshots or of differentials (https://hl7.org/fhir/R4/profiling.html)."""

from profiles.snapshot.registry import Registry, profile_error
from profiles.snapshot.tree import Node

__all__ = ["Node", "Registry", "profile_error"]

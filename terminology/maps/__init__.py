"""Concept maps, compiled for look-ups both ways."""

from terminology.maps.compiled import CompiledMap, Dependency, Match, compile_map

__all__ = ["CompiledMap", "Dependency", "Match", "compile_map"]

"""The structural rules of R4 as generated Python functions: one per type, made on first use from the definitions."""

from profiles.structure.compiler import StructureCompiler

__all__ = ["StructureCompiler"]

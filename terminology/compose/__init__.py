"""Value sets: the compose element, compiled; who is a member; the expansion."""

from terminology.compose.compiled import CompiledSet, Part, compile_set
from terminology.compose.membership import Membership, contains

__all__ = ["CompiledSet", "Membership", "Part", "compile_set", "contains"]

"""Profiles compiled to checks: what a profile says beyond the R4 type that it constrains."""

from profiles.conformance.compiler import Profile, ProfileCompiler
from profiles.conformance.context import Context

__all__ = ["Context", "Profile", "ProfileCompiler"]

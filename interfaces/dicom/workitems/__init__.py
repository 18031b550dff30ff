"""Unified Procedure Steps (PS3.4 annex CC): what may be done with them, free of DIMSE and HTTP."""

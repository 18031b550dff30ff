"""Subsystems: what lives on the server as a FHIR client that follows its change feed (docs/how-to/subsystems.md)."""

"""Conformance suites as data and their runner: speaks HTTP only, to any FHIR server."""

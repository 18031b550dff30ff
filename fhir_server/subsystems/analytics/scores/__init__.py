"""Scores from FHIR, each with the inputs that made it."""

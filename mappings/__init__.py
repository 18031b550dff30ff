"""Mapping tables between FHIR and other standards, and the engine over them."""

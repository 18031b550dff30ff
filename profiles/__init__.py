"""Whether resources are right: structure, invariants, FHIR packages and their profiles."""

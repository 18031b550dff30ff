"""A FHIR R4 server: a clinical data repository that keeps, indexes and answers."""

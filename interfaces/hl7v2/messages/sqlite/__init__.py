"""The message store in one SQLite file of its own, beside the FHIR store."""

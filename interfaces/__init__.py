"""What hospitals speak beside FHIR: an interface keeps a message, acknowledges it, commits what it means as FHIR."""

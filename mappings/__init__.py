"""Tables that map other standards to FHIR and back, and the small engine over them."""

"""The message log over HTTP, beside FHIR: /hl7/messages, /hl7/upload, /hl7/destinations, /hl7/letters, /hl7/status."""

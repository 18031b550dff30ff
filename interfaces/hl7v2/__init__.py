"""The HL7 v2 interface: messages in, kept, acknowledged, translated; FHIR changes out as messages."""

"""HL7 v2 to FHIR and back: HL7's own mapping tables, ours, a site's, and the engine over them.

Specification of the tables: HL7 Version 2 to FHIR, https://build.fhir.org/ig/HL7/v2-to-fhir/
"""

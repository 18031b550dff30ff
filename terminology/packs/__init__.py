"""The terminology that ships: R4's own, HL7's (THO) and public registries, compact and read lazily."""

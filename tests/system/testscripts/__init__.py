"""Runs TestScripts (https://hl7.org/fhir/R4/testscript.html) as a conformance tester's engine does."""

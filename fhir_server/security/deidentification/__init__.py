"""Resources without what identifies a person, by rules as data, and how well that hides somebody."""

from fhir_server.security.deidentification.anonymity import Anonymity, anonymity
from fhir_server.security.deidentification.deidentify import Deidentifier, key_of
from fhir_server.security.deidentification.rules import load

__all__ = ["Anonymity", "Deidentifier", "anonymity", "key_of", "load"]

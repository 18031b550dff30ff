"""Encryption at rest: a key per patient, wrapped by a master key from a file (docs/how-to/encryption.md)."""

from fhir_server.security.encryption.data_keys import FILE_NAME, DataKeys
from fhir_server.security.encryption.master_keys import MasterKeys

__all__ = ["FILE_NAME", "DataKeys", "MasterKeys"]

"""Where users, clients, keys, sessions and tokens are kept: an SQLite file of its own beside the resources."""

from fhir_server.security.store.database import FILE_NAME, SecurityStore, digest

__all__ = ["FILE_NAME", "SecurityStore", "digest"]

"""Where users, clients, sessions and grants are kept: a port and its engines."""

from fhir_server.security.store.port import AccountStore, digest
from fhir_server.security.store.sqlite import FILE_NAME, SqliteAccounts

__all__ = ["FILE_NAME", "AccountStore", "SqliteAccounts", "digest"]

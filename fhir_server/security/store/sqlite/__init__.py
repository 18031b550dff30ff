"""`AccountStore` in a file: small documents by key, one table a kind, every change durable before it is answered."""

from fhir_server.security.store.sqlite.accounts import FILE_NAME, SqliteAccounts

__all__ = ["FILE_NAME", "SqliteAccounts"]

"""The embedded backend: resources, index and change feed in one SQLite file."""

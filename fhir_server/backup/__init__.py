"""Backups of the embedded store, taken beside a running server, and the way back to any moment that they cover."""

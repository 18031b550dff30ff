"""Adapters of the storage ports: one folder a backend, and the feed's consumers in changes/."""

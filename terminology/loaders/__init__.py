"""Loaders: published files -> code systems in the store. One file each; see `registry` for the list."""

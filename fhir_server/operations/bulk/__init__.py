"""Bulk Data Access 2.0: exports as jobs that outlive the worker that began them."""

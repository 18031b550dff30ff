"""Bulk data, exports and imports, as jobs that outlive the worker that began them (Bulk Data Access 2.0)."""

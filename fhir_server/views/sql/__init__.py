"""Views as DuckDB SQL."""

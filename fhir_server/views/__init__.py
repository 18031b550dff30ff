"""SQL on FHIR v2 views (https://sql-on-fhir.org): resources as the rows of a table, in memory or by DuckDB.

view = read_view(json, definitions)             # FhirError "unprocessable" that says where and why
rows = Evaluator(view, definitions).rows(patient)   # [{"id": "1", "family": "Shaw"}, …]
sql = prepare(connection, view, definitions, "SELECT body FROM patient")   # the same by DuckDB
"""

from fhir_server.views.definition import Column, Select, View
from fhir_server.views.evaluate import Evaluator
from fhir_server.views.read import read_view

__all__ = ["Column", "Evaluator", "Select", "View", "read_view"]

"""A search URL's parameters to a typed Query (https://hl7.org/fhir/R4/search.html).

    parse_query(type, parameters, context, lenient=..., compartment=...) -> Query
    parse_criteria(type, parameters, context) -> Clause | None

One file per search type reads its values; modifiers.py is the table of what can be asked of which type, builtin.py of
the parameters that are no index values, results.py of those that say how to answer.
"""

from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.query import is_result, parse_criteria, parse_query

__all__ = ["SearchContext", "is_result", "parse_criteria", "parse_query"]

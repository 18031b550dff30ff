"""Expressions to Python source: the quick way, for what the definitions let us know before any resource is seen.

flow.py says how a collection is walked, navigation.py how paths make flows, conditions.py how booleans are decided,
scalars.py how single values are computed, writer.py how it all becomes a function. What a module here has no code for
raises NotStatic, and the closures of fhir_server.fhirpath.engine evaluate that part.
"""

"""R4's interactions, one per file (https://hl7.org/fhir/R4/http.html).

`perform(environment, request)` takes a Request from any side (HTTP, an entry of a batch, a subsystem in the process) to
the interaction that it asks for, and gives a Response; dispatch.py holds the grammar of URLs.
"""

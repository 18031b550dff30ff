"""$convert: Content-Type and Accept say from what to what.

https://hl7.org/fhir/R4/resource-operation-convert.html
"""

from __future__ import annotations

from fhir_server.codec.formats import negotiate
from fhir_server.codec.json import serialize
from fhir_server.core.errors import error
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.request import Response


async def convert(environment: Environment, call: Call) -> Response:
    """Gives back the resource that came, which must be one of R4; 406 where it is asked for in RDF."""
    negotiate(call.request.accept, str(call.parameters.one("_format") or ""))
    resource = call.parameters.one("input", call.parameters.one("resource"))
    if not isinstance(resource, dict):
        raise error("required", "$convert needs a resource as its body, or as the parameter 'input'.")
    environment.checked(resource)
    return Response(200, body=serialize(resource))


HANDLERS = (OperationHandler("convert", convert, system=True, parameters=("resource",)),)

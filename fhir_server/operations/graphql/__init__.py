"""$graphql: GraphQL over what is stored, at the system or at a resource.

https://hl7.org/fhir/R4/graphql.html and https://hl7.org/fhir/R4/resource-operation-graphql.html. Queries only. An error
is a 4xx with its OperationOutcome in the extensions of GraphQL's `errors`.
"""

from __future__ import annotations

from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.request import Response


async def graphql(environment: Environment, call: Call) -> Response:
    """Answers a query; what it takes is loaded when the first one comes."""
    from fhir_server.operations.graphql.answering import answer

    return await answer(environment, call)


HANDLERS = (
    OperationHandler("graphql", graphql, system=True, instance=True, parameters=("variables", "operationName")),
)

"""From a call of $graphql to its answer, in JSON as GraphQL has it over HTTP, of an error too."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from graphql import GraphQLError, GraphQLSchema

from fhir_server.codec.json import parse_any, serialize
from fhir_server.core.errors import FhirError, Issue, error, operation_outcome
from fhir_server.definitions import Definitions
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call
from fhir_server.interactions.read import current
from fhir_server.interactions.request import GRAPHQL, Response
from fhir_server.operations.graphql.document import Asked, read
from fhir_server.operations.graphql.execution import Execution
from fhir_server.operations.graphql.schema import QUERY, schema_of

JSON = "application/json"


class Question(NamedTuple):
    """A query, the name of the operation in it, and the values of its variables."""

    query: str
    operation: str | None
    variables: dict[str, Any]


async def answer(environment: Environment, call: Call) -> Response:
    """{"data": …}, or {"data": null, "errors": […]} with a status that says whose error it is."""
    try:
        question = _question(call)
        asked, schema = await asyncio.to_thread(_read, question, environment.searching.definitions, call.type or QUERY)
        execution = Execution(environment, call.request, asked, schema)
        version = await current(environment, call.request, call.type, call.id) if call.id else None
        data = await execution.run(version)
    except GraphQLError as problem:
        wrong = FhirError("invalid", [Issue("error", "invalid", problem.message)])
        return _refusal(wrong, [each._asdict() for each in problem.locations or ()])
    except FhirError as problem:
        return _refusal(problem, [])
    return Response(200, body=serialize({"data": data}), content_type=JSON, shown=execution.shown)


def _read(question: Question, definitions: Definitions, root: str) -> tuple[Asked, GraphQLSchema]:
    """The query, checked by the schema of where it begins, which takes half a second when it is first made."""
    schema = schema_of(definitions, root)
    return read(question.query, schema, question.operation, question.variables), schema


def _refusal(problem: FhirError, locations: list[dict[str, int]]) -> Response:
    errors = []
    for issue in problem.issues:
        found: dict[str, Any] = {"message": issue.diagnostics}
        if locations:
            found["locations"] = locations
        errors.append({**found, "extensions": {"resource": operation_outcome([issue])}})
    body = serialize({"data": None, "errors": errors})
    return Response(problem.status, body=body, content_type=JSON, headers=problem.headers, shown=())


def _question(call: Call) -> Question:
    """From the URL, a Parameters resource, a body of GraphQL, or one of JSON as GraphQL has it over HTTP."""
    query, operation = call.parameters.one("query"), call.parameters.one("operationName")
    variables = call.parameters.one("variables")
    body = call.request.body
    if body and call.request.resource is None:
        if call.request.content_type == GRAPHQL:
            query = _text(body)
        else:
            sent = parse_any(body)
            if not isinstance(sent, dict):
                raise error("invalid", 'The body must be an object: {"query": "…", "variables": {…}}.')
            query = sent.get("query", query)
            operation, variables = sent.get("operationName", operation), sent.get("variables", variables)
    if isinstance(variables, str):
        variables = parse_any(variables.encode()) if variables.strip() else None
    if not isinstance(query, str) or not query.strip():
        raise error("required", '$graphql needs a query, such as {PatientList(name: "Ann") {id}}.', location="query")
    if operation is not None and not isinstance(operation, str):
        raise error("value", "operationName must be a text.", location="operationName")
    if variables is not None and not isinstance(variables, dict):
        raise error("value", "variables must be a JSON object.", location="variables")
    return Question(query, operation, variables or {})


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise error("malformed", "The query must be UTF-8.") from None

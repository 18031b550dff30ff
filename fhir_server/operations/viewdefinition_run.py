"""$viewdefinition-run: the rows of a SQL on FHIR view, as JSON, NDJSON or CSV.

https://sql-on-fhir.org/ig/latest/OperationDefinition-ViewDefinitionRun.html. ViewDefinition is no type of R4: a view
comes with the call, is named, or is stored in a Basic (docs/how-to/analytics.md).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from fhir_server.codec.json import decode
from fhir_server.codec.references import LocalReference, parse_reference
from fhir_server.core.errors import error
from fhir_server.core.keys import ID_PATTERN, StoredVersion
from fhir_server.core.query import EVERYTHING, All, Clause, IdIn, Query, UpdatedIs
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.read import current
from fhir_server.interactions.request import Response
from fhir_server.interactions.required import require
from fhir_server.search.dates import date_range
from fhir_server.security.audit.patients import patients_of
from fhir_server.views import Evaluator, View, read_view
from fhir_server.views.library import Library, folders_of, stored_view
from fhir_server.views.output import TYPES, format_named, written

PAGE = 500  # resources that are evaluated together
MOST_ROWS = 1_000_000
PARAMETERS = ("viewResource", "viewReference", "resource", "patient", "header", "_limit", "_since")

Row = dict[str, Any]


async def viewdefinition_run(environment: Environment, call: Call) -> Response:
    """The rows of what is stored, as far as the caller may see it; with `resource` of those resources instead."""
    view, given = await _asked(environment, call)
    format = _format(call)
    header = call.parameters.one("header") is None or call.parameters.flag("header")
    limit = min(call.parameters.whole("_limit", MOST_ROWS), MOST_ROWS)
    evaluator = Evaluator(view, environment.definitions)
    rows: list[Row] = []
    told: dict[tuple[str, ...], StoredVersion] = {}  # one version for each of the patients that any is about
    if given:
        rows = await asyncio.to_thread(_rows, evaluator, given)
    else:
        require(call.request.caller, "s", view.resource)
        query = Query((view.resource,), await _where(environment, call, view), count=PAGE)
        while len(rows) < limit:
            page = await environment.index.search(query)
            told |= {patients_of(version): version for version in page.matches}
            bodies = [version.body for version in page.matches]
            # not on the event loop: a view may take long for each resource
            rows += await asyncio.to_thread(_rows, evaluator, map(decode, bodies))
            if not page.next:
                break
            if len(rows) >= MOST_ROWS:
                raise error("too-costly", f"The view has more than {MOST_ROWS} rows; narrow it by `where` or `_limit`.")
            query = replace(query, cursor=page.next)
    names = [column.name for column in view.columns]
    body = await asyncio.to_thread(written, rows[:limit], names, format, header=header)
    return Response(200, body=body, content_type=TYPES[format], shown=[*told.values()])


def _rows(evaluator: Evaluator, resources: Any) -> list[Row]:
    return [row for resource in resources for row in evaluator.rows(resource)]


async def _asked(environment: Environment, call: Call) -> tuple[View, list[dict[str, Any]]]:
    """The view, and the resources that came with the call."""
    parameters, definitions = call.parameters, environment.definitions
    given = [each for each in parameters.all("resource") if isinstance(each, dict)]
    inline = [*parameters.all("viewResource"), *(r for r in given if r.get("resourceType") == "ViewDefinition")]
    given = [each for each in given if each.get("resourceType") != "ViewDefinition"]
    named = parameters.one("viewReference")
    if isinstance(named, dict):
        named = named.get("reference")
    stored = f"Basic/{call.id}" if call.type == "Basic" and call.id else ""
    if len(inline) + bool(named) + bool(stored) != 1:
        raise error(
            "required",
            "$viewdefinition-run needs one view: viewResource (a ViewDefinition), viewReference (its name, or "
            "Basic/[id]), or the URL Basic/[id]/$viewdefinition-run.",
        )
    if inline:
        view = read_view(inline[0], definitions)
    else:
        reference = stored or str(named)
        if reference.startswith("Basic/"):
            basic = await current(environment, call.request, "Basic", reference.removeprefix("Basic/"))
            view = stored_view(decode(basic.body), definitions)
        else:
            view = Library(folders_of(environment.settings.views), definitions).find(reference)
    if call.type and call.type not in ("Basic", view.resource):
        raise error("value", f"The view is of {view.resource}; run it at {view.resource}/$viewdefinition-run.")
    return view, given


async def _where(environment: Environment, call: Call, view: View) -> Clause:
    clauses: list[Clause] = []
    if call.id and call.type == view.resource and call.type != "Basic":
        clauses.append(IdIn((call.id,)))
    since = call.parameters.one("_since")
    if since:
        span = date_range(str(since))
        if span is None:
            raise error("value", f"_since must be a date or time, not '{str(since)[:40]}'.", location="_since")
        clauses.append(UpdatedIs("ge", *span))
    patient = call.parameters.one("patient")
    if patient:
        id = _patient_id(patient, call.request.base)
        own = IdIn((id,)) if view.resource == "Patient" else None
        clauses.append(own or environment.searching.compartment(view.resource, ("Patient", id)))
    return All(tuple(clauses)) if clauses else EVERYTHING


def _patient_id(patient: Any, base: str) -> str:
    text = str(patient.get("reference") if isinstance(patient, dict) else patient)
    local = parse_reference(text, base) or LocalReference("Patient", text)
    if local.type != "Patient" or not ID_PATTERN.match(local.id):
        raise error("value", f"patient must be a reference such as Patient/1, not '{text[:80]}'.", location="patient")
    return local.id


def _format(call: Call) -> str:
    asked = call.parameters.one("_format")
    if asked:
        found = format_named(str(asked))
        if not found:
            raise error("not-acceptable", f"_format must be json, ndjson or csv, not '{str(asked)[:40]}'.")
        return found
    return next((f for part in call.request.accept.split(",") if (f := format_named(part))), "json")


HANDLERS = (
    OperationHandler(
        "viewdefinition-run", viewdefinition_run, system=True, type=True, instance=True, parameters=PARAMETERS
    ),
)

"""transaction: a Bundle whose entries all take effect, or none (https://hl7.org/fhir/R4/http.html#trules).

First every entry is planned (transaction_plan.py) and prepared (transaction_preparing.py). Then one commit writes:
deletes, creates, updates and patches, in this order; reads come last and see what was written. Where an entry or a
reference has criteria, matching happens inside the commit, so that no other writer comes between. A conditional
reference can't be supposed to match anything, so a Bundle that has one is prepared inside.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, NamedTuple

from fhir_server.codec import bundles
from fhir_server.codec.bundles import EntryResponse
from fhir_server.codec.json import decode, serialize
from fhir_server.core.errors import AfterCommitError, FhirError, error, operation_outcome
from fhir_server.core.ports import Transaction
from fhir_server.interactions.bundles.entries import STATUS_TEXT, entry_response
from fhir_server.interactions.bundles.transaction_plan import (
    ORDER,
    PAUSE_EVERY,
    Entry,
    Plan,
    beside,
    match_all,
    placed,
    plan_of,
)
from fhir_server.interactions.bundles.transaction_preparing import prepare_ahead, prepare_all
from fhir_server.interactions.delete import answer_to, remove, require_unreferenced
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.patch import change
from fhir_server.interactions.preparing import store
from fhir_server.interactions.request import Performed, Request, Response, all_told
from fhir_server.interactions.shaping import shaped
from fhir_server.interactions.update import put_matched


class Answered(NamedTuple):
    """An entry's answer, as an entry of the Bundle and as it is, None for a failure."""

    entry: EntryResponse
    answer: Response | None


class _FeedAfterwards:
    """The change feed inside a commit, which other writers wait for: it is asked, and waited for, afterwards."""

    def __getattr__(self, name: str) -> Any:
        raise AfterCommitError


async def transaction(
    environment: Environment, request: Request, listed: list[Any], requests: list[Request]
) -> Response:
    """Performs a transaction Bundle; requests: its entries, in order."""
    plan = await plan_of(environment, request, listed, requests)
    came = request.body or serialize(request.resource) if plan.asks else b""
    if not plan.conditional:
        await prepare_ahead(environment, plan, request)
    attempts = 0

    async def work(inside: Transaction) -> dict[int, Answered]:
        nonlocal attempts
        attempts += 1
        if plan.asks:
            if attempts > 1:  # the first attempt has put references right in place
                for entry, raw in zip(plan.entries, decode(came)["entry"], strict=True):
                    entry.request.resource = raw.get("resource")
                    entry.prepared, entry.supposed = None, ""
            await match_all(environment, plan, inside)
            await prepare_all(environment, plan, request)
        return await _write(environment, inside, plan, request)

    answers = await environment.store.commit(work)
    for entry in plan.entries:
        if entry.number not in answers:
            answers[entry.number] = await _answer_late(environment, entry, request)
    listing = [answers[number].entry for number in range(len(plan.entries))]
    body = await beside(listing, bundles.responses, "transaction-response", listing)
    performed = [_noted(entry, answers[entry.number].answer) for entry in plan.entries if not entry.writes]
    return Response(200, body=body, shown=all_told(each.answer for each in answers.values()), performed=performed)


def _noted(entry: Entry, answer: Response | None) -> Performed:
    """What the audit log has of an entry that read something, or of one that found nothing."""
    if answer is None:
        return Performed(entry.request, 404, ())
    return Performed(entry.request, answer.status, answer.told, answer.about)


async def _write(environment: Environment, inside: Transaction, plan: Plan, outer: Request) -> dict[int, Answered]:
    """The answers by number; those of searches are missing that can't see yet what was written."""
    answers: dict[int, Answered] = {}
    writing = sorted((e for e in plan.entries if e.writes), key=lambda e: ORDER[e.request.method])
    for count, entry in enumerate(writing):
        if count % PAUSE_EVERY == PAUSE_EVERY - 1:
            await asyncio.sleep(0)
        try:
            answer = await _write_one(environment, inside, entry)
        except FhirError as problem:
            raise FhirError(problem.category, placed(problem, entry.number, entry.request)) from None
        if entry.shape is not None:
            answer = shaped(answer, entry.shape, environment.definitions)
        answers[entry.number] = Answered(entry_response(outer, entry.request, answer), answer)
    for entry in writing:
        if entry.request.method == "DELETE" and entry.id:
            await require_unreferenced(environment, inside, entry.type, [entry.id])
    reading = [entry for entry in plan.entries if not entry.writes]
    if reading:
        assert environment.perform is not None
        view = replace(environment, store=inside.reads, index=inside.index, feed=_FeedAfterwards())
        for entry in reading:
            try:
                answer = await environment.perform(view, entry.request)
            except AfterCommitError:
                continue
            except FhirError as problem:
                raise FhirError(problem.category, placed(problem, entry.number, entry.request)) from None
            answers[entry.number] = Answered(entry_response(outer, entry.request, answer), answer)
    return answers


async def _answer_late(environment: Environment, entry: Entry, outer: Request) -> Answered:
    """A search's answer after the commit; one that fails then is the entry's own failure."""
    assert environment.perform is not None
    try:
        answer = await environment.perform(environment, entry.request)
        return Answered(entry_response(outer, entry.request, answer), answer)
    except FhirError as problem:
        outcome = serialize(operation_outcome(problem.issues))
        return Answered(EntryResponse(STATUS_TEXT[problem.status], outcome=outcome), None)


async def _write_one(environment: Environment, inside: Transaction, entry: Entry) -> Response:
    request, type = entry.request, entry.type
    created = False
    match request.method:
        case "DELETE" if entry.where is not None and entry.found is None:
            return answer_to([None])
        case "DELETE":
            return answer_to([await remove(environment, inside, request, type, entry.id)])
        case "PATCH":
            if entry.where is not None and entry.found is None:
                raise error("not-found", f"No {type} matches {entry.criteria}.")
            assert entry.document is not None
            version = await change(environment, inside, request, entry.document, type, entry.id)
        case "POST" if entry.found is not None:
            return Response(200, entry.found, entry.found.body, entry.found.key.reference)
        case "POST" if entry.same is not None:
            made = await inside.read(type, entry.id)
            assert made is not None
            return Response(200, made, made.body, made.key.reference)
        case "POST":
            assert entry.prepared is not None
            version, created = await store(inside, entry.prepared, type, entry.id, 1, "POST", fresh=True), True
        case _:
            assert entry.prepared is not None and request.resource is not None
            found = entry.found
            if entry.where is None:
                found = await inside.read(type, entry.id)
            version, created = await put_matched(
                environment, inside, request, entry.prepared, type, found, request.resource.get("id"), entry.new_id
            )
    assert version is not None
    return Response(201 if created else 200, version, version.body, version.key.reference)

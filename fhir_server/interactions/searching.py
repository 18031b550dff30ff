"""The store-free half of search, with the search parameters that are in force now."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock, ResourceReads, TerminologyService
from fhir_server.core.query import Clause, Query, RefersTo
from fhir_server.core.settings import Settings
from fhir_server.definitions import Definitions
from fhir_server.interactions.parameters import GENERAL
from fhir_server.interactions.request import Request
from fhir_server.interactions.required import require
from fhir_server.interactions.value_sets import StoredValueSets
from fhir_server.search.extract import Extractor
from fhir_server.search.fields import Fields
from fhir_server.search.parse import SearchContext, is_result, parse_criteria, parse_query
from fhir_server.search.parse.compartment import membership
from fhir_server.search.rewrite import rewrite


class Searching:
    """Extracts, parses and rewrites; replaced as a whole when a custom SearchParameter comes or goes."""

    def __init__(
        self,
        definitions: Definitions,
        settings: Settings,
        clock: Clock,
        terminology: TerminologyService | None,
        building: frozenset[str] = frozenset(),
        position: int = 0,
    ) -> None:
        self.definitions = definitions
        self.position = position
        self.fields = Fields(definitions)
        self.building = building
        self.reads: ResourceReads | None = None  # where value sets are stored that a search names by reference
        self._settings = settings
        self._clock = clock
        self._terminology = terminology
        self._extractor = Extractor(definitions, self.fields, settings.base_url)
        self.extract = self._extractor.extract
        self._contexts: dict[str, SearchContext] = {}

    def with_definitions(self, definitions: Definitions, building: frozenset[str], position: int) -> Searching:
        """The same with other search parameters; building: URLs of those that are not indexed everywhere yet.

        position: in the change feed, of the newest SearchParameter among them.
        """
        found = Searching(definitions, self._settings, self._clock, self._terminology, building, position)
        found.reads = self.reads
        return found

    def with_terminology(self, terminology: TerminologyService) -> Searching:
        """The same that asks another terminology."""
        found = copy(self)
        found._terminology = terminology
        return found

    def _asked(self, request: Request) -> TerminologyService | None:
        if self._terminology is None or self.reads is None:
            return self._terminology
        return StoredValueSets(self._terminology, self.reads, request.base)

    def indexes(self, type: str, field: str) -> bool:
        """Whether a parameter in force has this field of a type's index values, be they of contained resources."""
        name = field.partition(":")[0]  # without what is beside the value: its text, its type
        if name.startswith("#"):
            type, dot, name = name[1:].partition(".")
            if not dot:
                return True
        return self.definitions.is_resource(type) and name in self.fields.of(type).fields

    def _context(self, base: str) -> SearchContext:
        context = self._contexts.get(base)
        if context is None:
            if len(self._contexts) > 100:
                self._contexts.clear()
            context = self._contexts[base] = SearchContext(
                self.definitions,
                self.fields,
                self._clock,
                base,
                self._settings.default_page_size,
                self._settings.max_page_size,
                self.building,
            )
        return context

    async def query(
        self, type: str | None, request: Request, compartment: tuple[str, str] | None = None, *, blank: bool = False
    ) -> Query:
        """The search that a request asks for; blank: it may have parameters without a value."""
        context = self._context(request.base)
        if type is not None and compartment is None and (plain := parse_criteria(type, request.query, context)):
            query = Query((type,), plain, count=context.default_count, used=(request.query[0],))
        else:
            query = parse_query(
                type, request.query, context, lenient=request.lenient, blank=blank, compartment=compartment
            )
        where = await rewrite(query.where, self.fields, self._asked(request))
        changed = where is not query.where or request.wait is not None
        return replace(query, where=where, wait=request.wait) if changed else query

    def compartment(self, type: str, compartment: tuple[str, str]) -> Clause:
        """What makes a resource of a type a member of a compartment; NOTHING for a type that is in none."""
        return membership(type, compartment, self.fields)

    def about(self, type: str, target: tuple[str, str]) -> Clause | None:
        """What makes a resource of a type refer to a target; None where no search parameter can."""
        parameters = self.fields.of(type).parameters.values()
        fields = {field: None for found in parameters if target[0] in found.targets for field in found.fields}
        return RefersTo(tuple(fields), (target,)) if fields else None

    async def criteria(self, type: str, text: str, request: Request) -> Clause:
        """The clause of conditional criteria; they are always strict and must say something."""
        return await self.criteria_of(type, parse_qsl(text, keep_blank_values=True), request)

    async def criteria_of(self, type: str, pairs: list[tuple[str, str]], request: Request) -> Clause:
        """The same of criteria that are decoded already; FhirError "forbidden" for who may not search: an answer would
        tell what there is, and criteria that seem to match nothing would store what is there a second time."""
        require(request.caller, "s", type)
        plain = parse_criteria(type, pairs, self._context(request.base))
        if plain is not None:
            return await rewrite(plain, self.fields, self._asked(request))
        query = await self.query(type, Request("GET", (type,), pairs, base=request.base, caller=request.caller))
        if not any(not is_result(name) for name, _ in query.used):
            raise error(
                "value",
                f"The criteria '{urlencode(pairs)[:100]}' of {type} say nothing; "
                "use for example identifier=system|value.",
            )
        for name, _ in query.used:
            if is_result(name) and name not in GENERAL:
                raise error(
                    "unsupported-parameter",
                    f"'{name}' says how to answer a search and changes nothing of what criteria of {type} match; "
                    "leave it out.",
                    location=name,
                )
        return query.where

"""Compiles the types of the definitions to checking functions, each on its first use.

Every type T gives `check_T(value)` and `array_T(value)`, both value -> Problems | None. They live in one namespace and
call one another by name; a name that is not compiled yet holds a stub that compiles its type and takes its own place.
"""

from __future__ import annotations

import threading
from typing import Any

from fhir_server.definitions import Definitions, TypeDefinition
from fhir_server.fhirpath import FhirPathError
from profiles.structure import generate, objects, primitives, resources, rules
from profiles.structure.bindings import check_coded, is_mime, wrong_code, wrong_mime
from profiles.structure.bundles import bundle_check
from profiles.structure.names import KindNames, identifier
from profiles.structure.narrative import check_xhtml
from profiles.structure.pending import unreferenced_contained
from profiles.structure.problems import Check, under
from profiles.structure.references import LOCAL, target_check
from profiles.structure.rules import Rule, RuleBook

NATIVE_CHECKS = {"Bundle": "bundle_problems"}  # what is said in words only, by type


class StructureCompiler:
    """Makes checking functions of the definitions; one for a process is enough."""

    def __init__(self, definitions: Definitions, best_practice: bool = False) -> None:
        self.definitions = definitions
        self.rules = RuleBook(definitions, best_practice)
        self._kinds = KindNames(definitions, self.rules.of)
        self._compiling = threading.RLock()
        self._stubs: set[str] = set()
        self._waiting: dict[str, list[tuple[dict[str, Any], str]]] = {}
        self.namespace: dict[str, Any] = {
            "under": under,
            "explain": primitives.explain,
            "is_text": primitives.is_text,
            "is_decimal": primitives.is_decimal,
            "check_coded": check_coded,
            "wrong_code": wrong_code,
            "wrong_mime": wrong_mime,
            "target_problem": target_check(definitions),
            "array_problems": objects.array_problems,
            "not_object": objects.not_object,
            "missing": objects.missing,
            "second_choice": objects.second_choice,
            "extension_problem": objects.extension_problem,
            "absolved": objects.absolved,
            "FhirPathError": FhirPathError,
            "broken": rules.broken,
            "ask": rules.ask,
            "late_rules": rules.late_rules,
            "bundle_problems": bundle_check(definitions),
            "unreferenced_contained": unreferenced_contained,
            "local_reference": LOCAL,
            "check_accepted": lambda value: None,
            "check_xhtml": check_xhtml,
        }
        self._add_primitives()
        for name, definition in definitions.types.items():
            if definition.kind != "primitive":
                self._add_stub(name)
        self.namespace["other"] = objects.other_checks(lambda value: self.namespace["check_Element"](value))
        self._add_resources()

    def check(self, type_name: str) -> Check:
        """The check of a type (a key of Definitions.types); of "Resource": whatever resource the value says it is."""
        return self.namespace["check_" + identifier(type_name)]

    def source(self, type_name: str) -> str:
        """The generated source of a type, for a reader."""
        return self._source(self.definitions.types[type_name]).text

    def _add_primitives(self) -> None:
        for name, accept in primitives.string_formats(self.definitions).items():
            known: set[str] = set()
            self.namespace["KNOWN_" + name] = known
            remembered = name in primitives.REMEMBERED
            self.namespace["is_" + name] = primitives.remembering(accept, known) if remembered else accept
        for name in self.definitions.types:
            if self.definitions.is_primitive(name) and name != "xhtml":
                self._run(name, generate.primitive_source(name))

        known: set[str] = set()
        self.namespace |= {"KNOWN_mime": known, "is_mime": primitives.remembering(is_mime, known)}
        self._run("mime", generate.value_source("mime", generate.accepts("mime", "value"), "wrong_mime(value)"))

    def _add_resources(self) -> None:
        checks: dict[str, Check] = {}
        for name in self.definitions.resource_types:
            self._enter(checks, name, "check_" + name)
        check = resources.resource_check(self.definitions, checks)
        contained = resources.contained_check(check)
        settled = resources.settled(check)
        self._stubs -= {"check_Resource", "array_Resource"}
        self.namespace["check_Resource"] = settled
        self.namespace["array_Resource"] = lambda values: objects.array_problems(values, settled)
        self.namespace["array_contained_Resource"] = resources.contained_array(contained)

    def _add_stub(self, type_name: str) -> None:
        for prefix in ("check_", "array_"):
            name = prefix + identifier(type_name)

            def stub(value: Any, name: str = name) -> Any:
                with self._compiling:
                    if name in self._stubs:
                        self._compile(type_name)
                return self.namespace[name](value)

            self._stubs.add(name)
            self.namespace[name] = stub

    def _enter(self, table: dict[str, Any], key: str, name: str) -> None:
        table[key] = self.namespace[name]
        if name in self._stubs:
            self._waiting.setdefault(name, []).append((table, key))

    def _compile(self, type_name: str) -> None:
        definition = self.definitions.types[type_name]
        source = self._source(definition)
        self._add_fresh_kinds()
        self.namespace["SHAPE_" + identifier(type_name)] = objects.Shape(definition, self.definitions)
        self.namespace["check_twin"] = self.namespace["check_Element"]
        for constant, functions in source.tables.items():
            table: dict[str, Any] = {}
            for key, name in functions.items():
                self._enter(table, key, name)
            self.namespace[constant] = table
        for constant, choices in source.choices.items():
            self.namespace[constant] = {
                key: (element, chosen, self.namespace[name]) for key, (element, chosen, name) in choices.items()
            }
        self._run(type_name, source.text)
        for prefix in ("check_", "array_"):
            name = prefix + identifier(type_name)
            self._stubs.discard(name)
            for table, key in self._waiting.pop(name, ()):
                table[key] = self.namespace[name]

    def _source(self, definition: TypeDefinition) -> generate.Source:
        rules = self.rules.of(definition.invariants, definition.name)
        for rule in rules:
            self.namespace["RULE_" + rule.name] = rule
            self.namespace["HOLDS_" + rule.name] = self._first_time(rule)
        self.namespace["RULES_" + identifier(definition.name)] = rules
        return generate.type_source(
            definition, self.definitions, self._kinds, rules, NATIVE_CHECKS.get(definition.name, "")
        )

    def _first_time(self, rule: Rule) -> Any:
        """Calls the rule; afterwards the function that was generated for it stands in its place."""

        def holds(value: Any, resource: Any) -> bool:
            result = rule.holds(value, resource)
            self.namespace["HOLDS_" + rule.name] = rule.holds
            return result

        return holds

    def _add_fresh_kinds(self) -> None:
        while self._kinds.fresh:
            kind, (form, base, constants) = self._kinds.fresh.popitem()
            self.namespace.update(constants)
            if form == "code":
                self._run(kind, generate.code_source(kind))
            elif form == "ruled":
                self._run(kind, generate.ruled_source(kind, base))
            elif form == "coded":
                self._run(kind, generate.coded_source(kind, base))
            else:
                self._run(kind, generate.reference_source(kind))

    def _run(self, title: str, text: str) -> None:
        exec(compile(text, f"<structure of {title}>", "exec"), self.namespace)
